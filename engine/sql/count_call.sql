update runs set used_calls = used_calls + 1
where tenant_id = %(tenant)s and id = %(run_id)s
