update calls set state = 'cancelled', finished_at = clock_timestamp()
where tenant_id = %(tenant)s and run_id = %(run_id)s and state in ('allowed', 'waiting', 'approved')
returning id, approval_id, digest
