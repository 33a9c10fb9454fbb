update approvals set state = 'cancelled', closed_at = clock_timestamp(), close_reason = %(reason)s
where tenant_id = %(tenant)s and call_id = %(call_id)s and kind = 'in_doubt' and state = 'pending'
returning id
