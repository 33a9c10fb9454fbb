select text from policies where digest = %(digest)s
