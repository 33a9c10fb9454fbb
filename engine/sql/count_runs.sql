select agent, coalesce(exit, status) as state, count(*) as n from runs
where tenant_id = %(tenant)s
group by agent, coalesce(exit, status)
