select count(*) from steps where tenant_id = %(tenant)s and run_id = %(run_id)s
