select exists (
    select from approvals
    where tenant_id = %(tenant)s and run_id = %(run_id)s and kind = 'version' and state = 'pending'
      and preview ->> 'to' = %(to)s::text)
