-- What a run that ends leaves open. Doubt stays: it is about the world, not about the run
update approvals
set state = case state when 'pending' then 'cancelled' else 'lapsed' end,
    closed_at = coalesce(closed_at, clock_timestamp()), close_reason = %(reason)s
where tenant_id = %(tenant)s and run_id = %(run_id)s and kind not in ('in_doubt', 'limit')
  and state in ('pending', 'approved')
returning id, call_id, state
