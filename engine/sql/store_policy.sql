insert into policies (digest, text) values (%(digest)s, %(text)s) on conflict do nothing
