select password_hash
from reviewers
where tenant_id = %(tenant)s and name = %(reviewer)s and disabled_at is null
