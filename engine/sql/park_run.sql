-- A wake-up that came since the claim is not lost: the run goes straight back to the queue
update runs
set status = case when want > %(want)s then 'queued' else 'waiting' end, done = %(want)s,
    worker_id = null, not_before = clock_timestamp(),
    used_ms = used_ms + %(active_ms)s
where tenant_id = %(tenant)s and id = %(run_id)s and epoch = %(epoch)s and status = 'running'
returning status, cancel_requested_by
