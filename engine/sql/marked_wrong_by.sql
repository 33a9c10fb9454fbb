select wrong_by from assessments where tenant_id = %(tenant)s and run_id = %(run_id)s and id = %(id)s
