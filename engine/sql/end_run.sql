update runs r
set status = 'ended', exit = %(exit)s, exit_reason = %(reason)s, output = %(output)s,
    ended_at = clock_timestamp(), worker_id = null, done = want,
    used_ms = used_ms + %(active_ms)s
where tenant_id = %(tenant)s and id = %(run_id)s and epoch = %(epoch)s and status = %(status)s
returning used_calls > 0 or exists (
    select from approvals a where a.tenant_id = r.tenant_id and a.run_id = r.id) as has_calls
