-- A tenant's limits of a day, and what is used of them today
select l.usd_per_day, l.irreversible_per_day, coalesce(d.irreversible, 0) as irreversible,
       coalesce(d.usd, 0) + coalesce((
           select sum(coalesce(e.usd, e.reserved_usd)) from replies e
           where e.tenant_id = t.id and e.day = today() and not e.is_folded), 0) as usd
from (select %(tenant)s::text) t(id)
left join tenant_limits l on l.tenant_id = t.id
left join tenant_days d on d.tenant_id = t.id and d.day = today()
