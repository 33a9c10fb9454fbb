select usd_per_hour, reset_seconds, set_by, set_at from tenant_breakers where tenant_id = %(tenant)s
