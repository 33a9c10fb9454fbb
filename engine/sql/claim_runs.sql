-- Runs of this worker's own versions; those of a version that no live worker has, too: they ask a
-- person. A claim takes the next epoch, so that whoever held the run before is fenced off. Its audit
-- entry comes in three parts, between which the epoch and the run go.
-- New runs of an agent whose breaker is tripped are left, or fall back to the agent's other model.
-- $1 tenant, $2 worker, $3 agents, $4 fingerprints, $5 free slots, $6 actor, $7-$9 the entry, $10 the other
-- model of each agent
with tripped as (
    select a.agent, a.model from unnest($3::text[], $10::text[]) a(agent, model)
    where is_tripped($1::text, a.agent)),
due as (
    select r.id from runs r
    where r.status = 'queued' and r.tenant_id = $1::text and r.not_before <= clock_timestamp()
      and (r.fingerprint = any($4::text[])
           or (r.agent = any($3::text[]) and not exists (
                   select from workers w
                   where w.lease_until > clock_timestamp() and r.fingerprint = any(w.fingerprints))))
      and (r.epoch > 0 or r.agent <> all(array(select t.agent from tripped t where t.model is null)))
    order by r.not_before
    limit $5::integer
    for update of r skip locked),
claimed as (
    update runs r
    set status = 'running', wants_room = false, epoch = epoch + 1, worker_id = $2::uuid,
        claimed_at = clock_timestamp(), started_at = coalesce(started_at, clock_timestamp()),
        fallback = case when r.epoch > 0 then r.fallback
                        else (select t.model from tripped t where t.agent = r.agent) end
    where r.tenant_id = $1::text and r.id = any(array(select due.id from due)) -- by the key, always
    returning r.tenant_id, r.id, r.agent, r.fingerprint, r.epoch, r.want, r.input, r.tags, r.limit_steps,
              r.limit_calls, r.limit_irreversible, r.limit_seconds, r.limit_wall_seconds,
              r.limit_repeats, r.limit_pending, r.limit_tokens_in, r.limit_tokens_out,
              r.limit_cost_usd, r.used_steps, r.used_calls, r.used_irreversible,
              r.used_ms, r.fallback, extract(epoch from r.due_by - clock_timestamp()) as wall_left),
noted as (
    insert into audit_log (tenant_id, event, actor, run_id, subject, state, entry)
    select c.tenant_id, 'run.claimed', $6::text, c.id, c.id, 'running',
           convert_to($7::text || c.epoch || $8::text || c.id || $9::text, 'UTF8')
    from claimed c)
select row_to_json(c)::text from claimed c
