update runs
set status = 'queued', worker_id = null, used_ms = used_ms + %(active_ms)s,
    wants_room = %(wants_room)s,
    not_before = clock_timestamp() + make_interval(secs => %(delay)s::float8)
where tenant_id = %(tenant)s and id = %(run_id)s and epoch = %(epoch)s and status = 'running'
returning cancel_requested_by
