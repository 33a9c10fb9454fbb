select id, run_id, state from rollbacks
where tenant_id = %(tenant)s and (id = %(rollback_id)s::uuid or approval_id = %(approval_id)s::uuid)
for no key update
