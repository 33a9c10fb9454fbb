select r.name, r.groups, r.created_at, r.disabled_at
from sessions s
join reviewers r on r.tenant_id = s.tenant_id and r.name = s.reviewer
where s.hash = %(hash)s and s.tenant_id = %(tenant)s
  and s.expires_at > clock_timestamp() and r.disabled_at is null
