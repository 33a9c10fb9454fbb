select t.id, t.agent, t.usd, t.usd_per_hour, t.model, t.tripped_at, t.resets_at, t.reset_at, t.reset_by
from breaker_trips t
where t.tenant_id = %(tenant)s and (t.reset_at is null or not %(only_open)s)
order by t.id desc
limit %(limit)s
