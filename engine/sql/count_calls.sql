update runs set used_calls = greatest(used_calls, %(calls)s)
where tenant_id = %(tenant)s and id = %(run_id)s
