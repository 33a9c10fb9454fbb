select status, exit, epoch, worker_id, cancel_requested_by, agent,
       limit_steps, limit_calls, limit_irreversible, limit_seconds, limit_wall_seconds, limit_repeats,
       limit_pending, limit_tokens_in, limit_tokens_out, limit_cost_usd,
       used_steps, used_calls, used_irreversible, used_ms
from runs
where tenant_id = %(tenant)s and id = %(run_id)s
for no key update
