-- What models cost, by run, agent, tenant, model or tag. A run's share of a group is one of its values:
-- of those, the heaviest hundredth stands beside the mean.
with shares as (
    select e.run_id,
           case %(by)s when 'run' then e.run_id::text when 'agent' then r.agent
                when 'tenant' then e.tenant_id when 'model' then e.model
                else r.tags ->> %(tag)s end as name,
           count(*) as replies,
           sum(coalesce(e.input_tokens, e.reserved_in)) as tokens_in,
           sum(coalesce(e.output_tokens, e.reserved_out)) as tokens_out,
           sum(coalesce(e.usd, e.reserved_usd)) as usd,
           coalesce(sum(e.usd) filter (where e.price = 'unknown'), 0) as unknown_usd
    from replies e join runs r on r.tenant_id = e.tenant_id and r.id = e.run_id
    where e.tenant_id = %(tenant)s and e.created_at >= %(since)s and e.created_at < %(until)s
    group by e.run_id, name),
ranked as (
    select s.*, row_number() over (partition by s.name order by s.usd desc, s.run_id) as place,
           count(*) over (partition by s.name) as of
    from shares s where s.name is not null)
select k.name, count(*) as runs, sum(k.replies)::bigint as replies,
       sum(k.tokens_in)::bigint as tokens_in, sum(k.tokens_out)::bigint as tokens_out,
       sum(k.usd) as usd, avg(k.usd) as mean,
       percentile_disc(0.5) within group (order by k.usd) as median,
       count(*) filter (where k.place <= ceil(k.of / 100.0)) as heaviest,
       sum(k.usd) filter (where k.place <= ceil(k.of / 100.0)) as heaviest_usd,
       sum(k.unknown_usd) as unknown_usd
from ranked k
group by k.name
order by usd desc, k.name
limit %(limit)s
