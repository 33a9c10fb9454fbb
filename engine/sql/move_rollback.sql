update rollbacks
set state = %(state)s, outcome = %(outcome)s, reason = %(reason)s, worker_id = null,
    ended_at = case when %(state)s = 'ended' then clock_timestamp() end
where tenant_id = %(tenant)s and id = %(rollback_id)s and state = %(before)s
