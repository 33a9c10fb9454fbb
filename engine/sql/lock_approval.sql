-- A doubt is about a call, or about an undo of it, which may be sent for as long after its own start
select a.id, a.kind, a.run_id, a.call_id, a.digest, a.state, a.preview,
       asked_groups(a) as asked_groups, a.escalation, a.created_at, a.needs_reason, a.confirm,
       a.expires_at is not null and a.expires_at <= clock_timestamp() as expired, a.closed_at,
       a.closed_by, a.close_reason, a.expires_at, c.tool, c.args, c.state as call_state,
       s.send_before, coalesce(s.send_before > clock_timestamp(), false) as may_be_sent
from approvals a
left join calls c on c.tenant_id = a.tenant_id and c.id = a.call_id
-- a case is not evaluated for other kinds, whose previews may hold what cannot be read as text
left join undos u on u.tenant_id = a.tenant_id
                 and u.id = case when a.kind = 'in_doubt' then (a.preview ->> 'undo')::uuid end
cross join lateral (select coalesce(u.started_at + c.send_within, c.send_before)) as s (send_before)
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
for update of a
