-- The newest revision of the call with this key, and the edit or the lapse that closed it, if any
select c.id, c.run_id, c.key, c.revision, c.tool, c.tool_version, c.args, c.digest, c.effect, c.verdict,
       c.reason, c.recovery, c.state, c.approval_id, c.starts, c.start_token, c.result_type, c.result,
       c.error, d.args as edited_args, d.reviewer as edited_by, c.fingerprint,
       extract(epoch from c.send_within)::float8 as send_within,
       coalesce(extract(epoch from c.send_before - clock_timestamp()), 0)::float8 as send_left,
       coalesce(extract(epoch from c.key_until - clock_timestamp()), 0)::float8 as key_left,
       coalesce(a.state = 'lapsed', false) as is_lapsed
from calls c
left join approvals a on a.tenant_id = c.tenant_id and a.id = c.approval_id
left join decisions d on d.tenant_id = c.tenant_id and d.approval_id = c.approval_id
                     and d.kind = 'edit' and c.state = 'superseded'
where c.tenant_id = %(tenant)s and c.run_id = %(run_id)s and c.key = %(key)s
order by c.revision desc
limit 1
