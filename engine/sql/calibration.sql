-- How often each stage stated a confidence between two edges, and came to what
select a.agent, a.stage, width_bucket(a.confidence, %(edges)s::double precision[]) as bin, a.outcome,
       count(*) as cases
from assessed a
where a.tenant_id = %(tenant)s and a.stated_at >= %(since)s
  and a.agent = coalesce(%(agent)s::text, a.agent)
group by 1, 2, 3, 4
order by 1, 2, 3
