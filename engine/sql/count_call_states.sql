select effect, state, count(*) as n from calls
where tenant_id = %(tenant)s
group by effect, state
