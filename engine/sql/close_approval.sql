-- Compare and set: only a pending approval with this very digest takes a decision
update approvals set state = %(state)s, closed_at = clock_timestamp(), closed_by = %(by)s,
                     close_reason = %(reason)s
where tenant_id = %(tenant)s and id = %(approval_id)s and state = 'pending' and digest = %(digest)s
