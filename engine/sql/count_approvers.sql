select count(distinct reviewer) from decisions
where tenant_id = %(tenant)s and approval_id = %(approval_id)s and kind in ('approve', 'answer')
