-- As runs: a lease cannot be renewed while the server is down
update rollbacks r
set state = 'queued', worker_id = null
from (
    select r.tenant_id, r.id, r.worker_id
    from rollbacks r join workers w on w.id = r.worker_id
    where r.state = 'running'
      and (greatest(w.lease_until, pg_postmaster_start_time() + (w.lease_until - w.heartbeat_at))
           < clock_timestamp()
           or (w.id = %(worker_id)s and r.id <> all(%(in_hand)s)))
    for update of r skip locked) lost
where r.tenant_id = lost.tenant_id and r.id = lost.id
returning r.tenant_id, r.id, r.run_id, lost.worker_id
