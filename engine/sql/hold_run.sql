-- The fence: shared, so that calls of one run start side by side, and never waits for a heartbeat
select cancel_requested_by
from runs
where tenant_id = %(tenant)s and id = %(run_id)s and epoch = %(epoch)s and status = 'running'
for share
