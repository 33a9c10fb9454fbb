select r.name, r.groups, r.created_at, r.disabled_at
from tokens t
join reviewers r on r.tenant_id = t.tenant_id and r.name = t.reviewer
where t.hash = %(hash)s and t.tenant_id = %(tenant)s and t.revoked_at is null
  and (t.expires_at is null or t.expires_at > clock_timestamp()) and r.disabled_at is null
