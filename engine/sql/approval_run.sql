select run_id from approvals where tenant_id = %(tenant)s and id = %(approval_id)s
