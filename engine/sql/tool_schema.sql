select a.tools -> %(tool)s::text -> 'schema' as schema
from runs r
join agents a on a.tenant_id = r.tenant_id and a.name = r.agent and a.fingerprint = r.fingerprint
where r.tenant_id = %(tenant)s and r.id = %(run_id)s
