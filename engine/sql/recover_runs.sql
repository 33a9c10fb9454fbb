-- Runs whose worker's lease ran out go back to the queue. The time until its last sign of life counts
-- as used.
with lost as (
    select r.tenant_id, r.id, r.worker_id,
           greatest(0, extract(epoch from w.heartbeat_at - r.claimed_at) * 1000)::bigint as active_ms
    from runs r join workers w on w.id = r.worker_id
    where r.status = 'running' and w.lease_until < clock_timestamp()
    for update of r skip locked)
update runs r
set status = 'queued', worker_id = null, deaths = deaths + 1, used_ms = used_ms + lost.active_ms,
    not_before = clock_timestamp()
from lost where r.tenant_id = lost.tenant_id and r.id = lost.id
returning r.tenant_id, r.id, r.deaths, r.epoch, lost.worker_id
