select asked_groups(a) from approvals a where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
