select tenant_id, id, run_id from approvals
where state = 'pending' and expires_at <= clock_timestamp()
order by expires_at
limit 100
