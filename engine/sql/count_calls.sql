select count_calls(tenant_id, id, %(calls)s, %(irreversible)s) from runs
where tenant_id = %(tenant)s and id = %(run_id)s
