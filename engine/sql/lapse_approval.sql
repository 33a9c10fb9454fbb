update approvals set state = 'lapsed', close_reason = %(reason)s
where tenant_id = %(tenant)s and id = %(approval_id)s and state = 'approved' and digest = %(digest)s
