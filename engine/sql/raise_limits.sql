update runs
set limit_steps = %(steps)s, limit_calls = %(calls)s, limit_irreversible = %(irreversible)s,
    limit_seconds = %(seconds)s, limit_wall_seconds = %(wall_seconds)s, limit_repeats = %(repeats)s,
    limit_pending = %(pending)s, limit_tokens_in = %(tokens_in)s,
    limit_tokens_out = %(tokens_out)s, limit_cost_usd = %(cost_usd)s,
    due_by = created_at + make_interval(secs => %(wall_seconds)s),
    status = 'queued', exit = null, exit_reason = null, output = null, ended_at = null,
    want = want + 1, not_before = clock_timestamp()
where tenant_id = %(tenant)s and id = %(run_id)s and status = 'ended' and exit = 'limit_reached'
