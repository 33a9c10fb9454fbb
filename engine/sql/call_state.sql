select state, start_token from calls where tenant_id = %(tenant)s and id = %(call_id)s
