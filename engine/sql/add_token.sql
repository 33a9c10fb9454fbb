insert into tokens (tenant_id, id, reviewer, label, hash, expires_at)
select %(tenant)s, %(id)s, r.name, %(label)s, %(hash)s, %(expires)s
from reviewers r
where r.tenant_id = %(tenant)s and r.name = %(reviewer)s and r.disabled_at is null
returning id
