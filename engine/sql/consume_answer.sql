update approvals set state = 'consumed'
where tenant_id = %(tenant)s and id = %(approval_id)s and state = 'approved'
