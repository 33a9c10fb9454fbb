-- Trip each of these breakers that is not tripped and whose hour cost more than it may, counted from its
-- last reset on. What is reserved for a model call counts until it is known what it cost. With `only_due`
-- none is looked at for which no new run waits.
insert into breaker_trips (tenant_id, id, agent, usd, usd_per_hour, model, resets_at)
select %(tenant)s, w.id, w.agent, s.usd, w.usd_per_hour, w.model,
       clock_timestamp() + make_interval(secs => w.reset_seconds)
from unnest(%(ids)s::uuid[], %(agents)s::text[], %(usd_per_hour)s::numeric[], %(models)s::text[],
            %(reset_seconds)s::integer[]) w(id, agent, usd_per_hour, model, reset_seconds)
cross join lateral (
    select coalesce(max(t.reset_at), '-infinity') as at, coalesce(bool_or(t.reset_at is null), false) as is_open
    from breaker_trips t
    where t.tenant_id = %(tenant)s and t.agent is not distinct from w.agent) past
cross join lateral (
    select sum(coalesce(e.usd, e.reserved_usd)) as usd
    from replies e
    join runs r on r.tenant_id = e.tenant_id and r.id = e.run_id
    where e.tenant_id = %(tenant)s and e.created_at > clock_timestamp() - interval '1 hour'
      and e.created_at > past.at and r.agent = coalesce(w.agent, r.agent)) s
where not past.is_open and s.usd > w.usd_per_hour
  and (not %(only_due)s or exists (
      select from runs r
      where r.tenant_id = %(tenant)s and r.status = 'queued' and r.epoch = 0
        and r.not_before <= clock_timestamp() and r.agent = coalesce(w.agent, r.agent)))
order by w.agent -- all workers in one order: each waits for whoever trips the same one
on conflict (tenant_id, coalesce(agent, '')) where reset_at is null do nothing
returning id, agent, usd, usd_per_hour, model
