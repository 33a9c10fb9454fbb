-- One rollback that this worker has the tools for, and that no person has to be waited for
update rollbacks r
set state = 'running', epoch = epoch + 1, worker_id = %(worker_id)s, claimed_at = clock_timestamp()
where r.tenant_id = %(tenant)s and r.id = %(rollback_id)s and r.state = 'queued'
returning r.epoch
