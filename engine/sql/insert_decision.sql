insert into decisions (tenant_id, id, approval_id, digest, reviewer, kind, reason, args, answer, via,
                       confirmed, beside)
values (%(tenant)s, %(id)s, %(approval_id)s, %(digest)s, %(reviewer)s, %(kind)s, %(reason)s, %(args)s,
        %(answer)s, %(via)s, %(confirmed)s, %(beside)s)
returning decided_at
