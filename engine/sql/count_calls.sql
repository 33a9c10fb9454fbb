update runs
set used_calls = greatest(used_calls, %(calls)s),
    used_irreversible = greatest(used_irreversible, %(irreversible)s)
where tenant_id = %(tenant)s and id = %(run_id)s
