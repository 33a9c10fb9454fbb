select closed_by, close_reason from approvals
where tenant_id = %(tenant)s and id = %(approval_id)s
