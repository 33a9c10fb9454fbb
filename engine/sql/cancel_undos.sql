update undos set state = 'cancelled', finished_at = clock_timestamp()
where tenant_id = %(tenant)s and rollback_id = %(rollback_id)s and state = 'allowed'
returning id, call_id
