update breaker_trips set reset_at = clock_timestamp(), reset_by = 'interlock'
where tenant_id = %(tenant)s and reset_at is null and resets_at <= clock_timestamp()
returning id, agent
