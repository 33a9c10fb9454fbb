update breaker_trips set reset_at = clock_timestamp(), reset_by = %(by)s
where tenant_id = %(tenant)s and id = %(id)s and reset_at is null
returning agent
