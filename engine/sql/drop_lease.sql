update workers set lease_until = clock_timestamp(), heartbeat_at = clock_timestamp()
where id = %(id)s
