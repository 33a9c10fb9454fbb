update tokens set revoked_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(id)s and revoked_at is null
returning reviewer, label
