-- Whether it still covers the call, once nobody else is using it
select covers(g, %(run_id)s, %(tool)s, %(tool_version)s, %(effect)s)
from grants g
where g.tenant_id = %(tenant)s and g.id = %(grant_id)s
for no key update
