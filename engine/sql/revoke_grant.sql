update grants set revoked_at = clock_timestamp(), revoked_by = %(by)s
where tenant_id = %(tenant)s and id = %(grant_id)s and revoked_at is null
