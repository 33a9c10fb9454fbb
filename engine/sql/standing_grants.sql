-- The grants that may let such a call of this run start, the one that ends first before the others
select g.id, g.bounds, g.granted_by, a.reviewers, a.quorum, a.each, a.escalation, a.separation,
       a.needs_reason, a.confirm is not null as typed,
       extract(epoch from a.use_within)::float8 as use_within
from grants g
join approvals a on a.tenant_id = g.tenant_id and a.id = g.approval_id
where g.tenant_id = %(tenant)s and g.tool = %(tool)s
  and covers(g, %(run_id)s, %(tool)s, %(tool_version)s, %(effect)s)
order by g.expires_at, g.id
