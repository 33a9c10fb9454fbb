-- What was rolled back goes no further
update approvals set state = 'cancelled', closed_at = clock_timestamp(), close_reason = %(reason)s
where tenant_id = %(tenant)s and run_id = %(run_id)s and kind = 'limit' and state = 'pending'
returning id, call_id, state
