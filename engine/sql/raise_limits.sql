update runs
set limit_steps = %(steps)s, limit_calls = %(calls)s, limit_irreversible = %(irreversible)s,
    limit_seconds = %(seconds)s, limit_wall_seconds = %(wall_seconds)s, limit_repeats = %(repeats)s,
    limit_pending = %(pending)s, due_by = created_at + make_interval(secs => %(wall_seconds)s),
    status = 'queued', exit = null, exit_reason = null, output = null, ended_at = null,
    want = want + 1, not_before = clock_timestamp()
where tenant_id = %(tenant)s and id = %(run_id)s and status = 'ended' and exit = 'limit_reached'
