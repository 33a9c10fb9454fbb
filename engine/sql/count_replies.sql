select r.agent, e.model, count(*) as n, count(*) filter (where e.price = 'unknown') as unknown,
       sum(coalesce(e.input_tokens, e.reserved_in))::bigint as tokens_in,
       sum(coalesce(e.output_tokens, e.reserved_out))::bigint as tokens_out,
       sum(coalesce(e.usd, e.reserved_usd)) as usd
from replies e join runs r on r.tenant_id = e.tenant_id and r.id = e.run_id
where e.tenant_id = %(tenant)s
group by r.agent, e.model
