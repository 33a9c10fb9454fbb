select id, digest, state, approval_id from rollbacks
where tenant_id = %(tenant)s and run_id = %(run_id)s and state <> 'ended'
