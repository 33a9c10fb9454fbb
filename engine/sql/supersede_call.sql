update calls set state = 'superseded', finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(call_id)s and state = 'approved'
