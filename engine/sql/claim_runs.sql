-- Runs of this worker's own versions; those of a version that no live worker has, too: they ask a
-- person. A claim takes the next epoch, so that whoever held the run before is fenced off.
with due as (
    select r.tenant_id, r.id from runs r
    where r.status = 'queued' and r.tenant_id = %(tenant)s and r.not_before <= clock_timestamp()
      and (r.fingerprint = any(%(fingerprints)s)
           or (r.agent = any(%(agents)s) and not exists (
                   select from workers w
                   where w.lease_until > clock_timestamp() and r.fingerprint = any(w.fingerprints))))
    order by r.not_before
    limit %(free)s
    for update of r skip locked)
update runs r
set status = 'running', epoch = epoch + 1, worker_id = %(worker_id)s,
    claimed_at = clock_timestamp(), started_at = coalesce(started_at, clock_timestamp())
from due where r.tenant_id = due.tenant_id and r.id = due.id
returning r.tenant_id, r.id, r.agent, r.fingerprint, r.epoch, r.want, r.input, r.limit_steps,
          r.limit_calls, r.limit_seconds, r.limit_repeats, r.used_steps, r.used_calls, r.used_ms
