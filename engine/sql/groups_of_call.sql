-- Who was asked about a call, or about the grant that it ran under
select asked_groups(a)
from calls c
left join grants g on g.tenant_id = c.tenant_id and g.id = c.grant_id
join approvals a on a.tenant_id = c.tenant_id and a.id = coalesce(c.approval_id, g.approval_id)
where c.tenant_id = %(tenant)s and c.id = %(call_id)s
