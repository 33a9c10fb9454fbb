select status, epoch, worker_id, cancel_requested_by,
       limit_steps, limit_calls, limit_seconds, limit_repeats, used_steps, used_calls, used_ms
from runs
where tenant_id = %(tenant)s and id = %(run_id)s
for no key update
