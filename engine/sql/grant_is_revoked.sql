select revoked_at is not null from grants where tenant_id = %(tenant)s and id = %(grant_id)s
