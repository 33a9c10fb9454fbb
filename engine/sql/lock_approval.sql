select a.id, a.kind, a.run_id, a.call_id, a.digest, a.state, a.reviewers, a.quorum, a.preview,
       a.expires_at is not null and a.expires_at <= clock_timestamp() as expired, a.closed_at,
       a.closed_by, a.close_reason, a.expires_at, c.tool, c.args, c.state as call_state,
       c.send_before, coalesce(c.send_before > clock_timestamp(), false) as may_be_sent
from approvals a
left join calls c on c.tenant_id = a.tenant_id and c.id = a.call_id
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
for update of a
