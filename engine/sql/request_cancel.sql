update runs set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                cancel_requested_by = coalesce(cancel_requested_by, %(by)s)
where tenant_id = %(tenant)s and id = %(run_id)s
returning status, epoch
