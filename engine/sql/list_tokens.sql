select id, reviewer, label, created_at, expires_at, revoked_at
from tokens
where tenant_id = %(tenant)s
order by id
