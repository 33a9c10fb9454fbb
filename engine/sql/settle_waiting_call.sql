update calls set state = %(state)s,
                 finished_at = case when %(state)s = 'approved' then null else clock_timestamp() end
where tenant_id = %(tenant)s and id = %(call_id)s and state = 'waiting'
