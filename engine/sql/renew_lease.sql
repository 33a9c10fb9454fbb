update workers set heartbeat_at = clock_timestamp(),
                   lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8)
where id = %(id)s
