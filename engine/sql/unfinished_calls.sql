select key, start_token from calls
where tenant_id = %(tenant)s and run_id = %(run_id)s and state = 'executing'
