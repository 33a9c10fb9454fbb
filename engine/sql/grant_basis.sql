-- What a grant is made from: the call that its maker was shown
select a.kind, a.quorum, a.each <> '{}' as is_divided, a.confirm is not null as typed, c.args, c.tool,
       c.tool_version, c.effect, r.agent, ag.tools -> c.tool -> 'schema' as schema
from approvals a
join runs r on r.tenant_id = a.tenant_id and r.id = a.run_id
left join calls c on c.tenant_id = a.tenant_id and c.id = a.call_id
left join agents ag on ag.tenant_id = r.tenant_id and ag.name = r.agent
                   and ag.fingerprint = r.fingerprint
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
