-- Runs whose worker's lease ran out go back to the queue, and those that a live worker does not know
-- it has. The time until the last sign of life counts as used. A lease cannot be renewed while the
-- server is down, so that after its start every worker has as long as its lease to show that it lives.
with lost as (
    select r.tenant_id, r.id, r.worker_id,
           greatest(0, extract(epoch from w.heartbeat_at - r.claimed_at) * 1000)::bigint as active_ms
    from runs r join workers w on w.id = r.worker_id
    where r.status = 'running'
      and (greatest(w.lease_until, pg_postmaster_start_time() + (w.lease_until - w.heartbeat_at))
           < clock_timestamp()
           or (w.id = %(worker_id)s and r.id <> all(%(in_hand)s)))
    for update of r skip locked)
update runs r
set status = 'queued', worker_id = null, deaths = deaths + 1, used_ms = used_ms + lost.active_ms,
    not_before = clock_timestamp()
from lost where r.tenant_id = lost.tenant_id and r.id = lost.id
returning r.tenant_id, r.id, r.agent, r.deaths, r.epoch, r.cancel_requested_by, lost.worker_id
