-- Calls as their policies were asked about them, in their order; one of them, or those since a time
select c.id, c.tool, c.args, c.effect, c.source, c.rule, c.context, c.verdict, c.policy_digest,
       c.policies, c.reason, c.state, c.evidence, c.proposed_at, r.agent, r.fingerprint
from calls c
join runs r on r.tenant_id = c.tenant_id and r.id = c.run_id
where c.tenant_id = %(tenant)s and c.id > %(after)s and c.id <= %(until)s
  and c.proposed_at >= %(since)s and (%(agent)s::text is null or r.agent = %(agent)s)
order by c.id
limit %(most)s
