select u.id, u.position, u.call_id, u.effect, u.recovery, u.unsure, u.state, u.starts, u.start_token,
       u.error, c.run_id, c.tool, c.args, c.digest, c.state as call_state, c.result_type, c.result,
       c.approval_id, b.digest as state_before
from undos u
join calls c on c.tenant_id = u.tenant_id and c.id = u.call_id
left join states_before b on b.tenant_id = u.tenant_id and b.call_id = u.call_id
where u.tenant_id = %(tenant)s and u.rollback_id = %(rollback_id)s
order by u.position
