select distinct key, sameness from calls
where tenant_id = %(tenant)s and run_id = %(run_id)s
