select name, groups, created_at, disabled_at
from reviewers
where tenant_id = %(tenant)s
order by name
