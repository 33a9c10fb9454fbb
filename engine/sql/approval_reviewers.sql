select reviewers from approvals where tenant_id = %(tenant)s and id = %(approval_id)s
