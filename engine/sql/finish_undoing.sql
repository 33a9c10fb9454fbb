update calls set state = %(state)s
where tenant_id = %(tenant)s and id = %(call_id)s and state = 'undoing'
