insert into reviewers (tenant_id, name, password_hash, groups)
values (%(tenant)s, %(reviewer)s, %(password_hash)s, %(groups)s)
on conflict do nothing
returning name
