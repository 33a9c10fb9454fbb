select a.state, a.reviewers, a.quorum, a.each, a.escalation, a.separation, a.needs_reason,
       a.confirm is not null as typed,
       extract(epoch from clock_timestamp() - a.closed_at)::float8 as age,
       extract(epoch from a.use_within)::float8 as use_within,
       still_missing(a) > 0 as is_short, v.approved_by, v.counted
from approvals a
cross join lateral (
    select coalesce(array_agg(d.reviewer order by d.decided_at), '{}'),
           coalesce(array_agg(d.reviewer order by d.decided_at)
                    filter (where not_counted(a, d.reviewer) is null), '{}')
    from decisions d
    where d.tenant_id = a.tenant_id and d.approval_id = a.id and d.kind = 'approve'
) v (approved_by, counted)
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
