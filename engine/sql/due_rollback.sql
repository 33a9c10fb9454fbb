select id, run_id, epoch, digest, plan, approval_id from rollbacks
where tenant_id = %(tenant)s and state = 'queued' and needs <@ %(has)s
order by id
limit 1
for update skip locked
