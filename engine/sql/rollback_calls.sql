-- The calls of a run that may have done something, last started first, with what became of their undos
select c.id, c.tool, c.tool_version, c.effect, c.state, c.attested_by, c.started_at,
       u.state as undo_state, u.error as undo_error, u.restored
from calls c
left join lateral (
    select u.state, u.error, u.restored from undos u
    where u.tenant_id = c.tenant_id and u.call_id = c.id and u.starts > 0
    order by u.started_at desc
    limit 1) u on true
where c.tenant_id = %(tenant)s and c.run_id = %(run_id)s and c.starts > 0 and c.state <> 'failed'
order by c.started_at desc, c.id desc
