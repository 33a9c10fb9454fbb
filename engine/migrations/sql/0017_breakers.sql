-- Circuit breakers: where model calls of an agent, or of a tenant, cost more in an hour than was said, new
-- runs wait or fall back to another model until a person or the time resets it. A trip is one row.

create table tenant_breakers (
    tenant_id     text primary key,
    usd_per_hour  numeric(14, 6) not null,
    reset_seconds integer, -- null: only a person resets it
    set_by        text not null,
    set_at        timestamptz not null default clock_timestamp(),
    constraint some_usd_per_hour check (usd_per_hour > 0),
    constraint some_reset_seconds check (reset_seconds > 0)
);

create table breaker_trips (
    tenant_id    text not null,
    id           uuid not null,
    agent        text, -- null: of the whole tenant
    usd          numeric(18, 9) not null, -- in the hour before, or since the last reset
    usd_per_hour numeric(14, 6) not null,
    model        text, -- what new runs fall back to; null: they wait
    tripped_at   timestamptz not null default clock_timestamp(),
    resets_at    timestamptz, -- by itself; null: only a person resets it
    reset_at     timestamptz,
    reset_by     text,
    primary key (tenant_id, id),
    constraint trips_above check (usd > usd_per_hour),
    constraint reset_by_somebody check ((reset_at is null) = (reset_by is null))
);
create unique index breakers_trip_once on breaker_trips (tenant_id, coalesce(agent, ''))
    where reset_at is null;

create function breaker_trips_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.reset_at is not null then
            raise exception 'a breaker trips before it is reset' using errcode = 'IL001';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.usd, new.usd_per_hour, new.tripped_at) is distinct from
       (old.tenant_id, old.id, old.usd, old.usd_per_hour, old.tripped_at)
       or (new.agent, new.model, new.resets_at) is distinct from
          (old.agent, old.model, old.resets_at) then
        raise exception 'why a breaker tripped cannot change' using errcode = 'IL002';
    end if;
    if old.reset_at is not null
       and (new.reset_at, new.reset_by) is distinct from (old.reset_at, old.reset_by) then
        raise exception 'a breaker that was reset stays so' using errcode = 'IL002';
    end if;
    if new.reset_by = 'interlock' and (old.resets_at is null or old.resets_at > clock_timestamp()) then
        raise exception 'a breaker is not reset by itself before its time' using errcode = 'IL004';
    end if;
    if starts_with(new.reset_by, 'reviewer:') and not exists (
        select from reviewers r
        where r.tenant_id = new.tenant_id and 'reviewer:' || r.name = new.reset_by
          and r.disabled_at is null) then
        raise exception 'a breaker is reset by somebody with an account' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger breaker_trips_guard before insert or update on breaker_trips
    for each row execute function breaker_trips_guard();
create trigger no_delete before delete on breaker_trips for each row execute function refuse_change();
create trigger no_truncate before truncate on breaker_trips execute function refuse_change();

create function require_breaker_audit() returns trigger language plpgsql as $$
declare
    reached text := case when tg_op = 'INSERT' then 'tripped' else 'reset' end;
begin
    if not exists (
        select from audit_log l
        where l.tenant_id = new.tenant_id and l.subject = new.id and l.state = reached
          and l.xact = pg_current_xact_id()) then
        raise exception 'breaker % was % without an audit entry', new.id, reached
            using errcode = 'IL006';
    end if;
    return null;
end $$;
create constraint trigger audited_birth after insert on breaker_trips
    deferrable initially deferred for each row execute function require_breaker_audit();
create constraint trigger audited after update on breaker_trips
    deferrable initially deferred for each row execute function require_breaker_audit();

create function is_tripped(tenant text, which_agent text) returns boolean language sql stable as $$
    select exists (
        select from breaker_trips t
        where t.tenant_id = tenant and coalesce(t.agent, which_agent) = which_agent
          and t.reset_at is null)
$$;

set constraints all immediate; -- a table with checks to come cannot be altered
alter table runs
    add column fallback text, -- the model that each of its model calls goes to
    add constraint begins_without_fallback check (fallback is null or epoch > 0);
alter table agents add column fallback text; -- what its new runs fall back to; null: they wait

-- The trip for which a new run waits, if it does
create function paused_by(tenant text, which_agent text, version text) returns uuid
language sql stable as $$
    select t.id from breaker_trips t
    where t.tenant_id = tenant and coalesce(t.agent, which_agent) = which_agent and t.reset_at is null
      and not exists (
          select from agents a
          where a.tenant_id = tenant and a.name = which_agent and a.fingerprint = version
            and a.fallback is not null)
    order by t.id
    limit 1
$$;

-- A run is switched when it is claimed first, or never
create function runs_breaker_guard() returns trigger language plpgsql as $$
begin
    if old.epoch > 0 or new.epoch = 0 then
        raise exception 'a run falls back when it is claimed first, or never' using errcode = 'IL002';
    end if;
    if is_tripped(new.tenant_id, new.agent) <> (new.fallback is not null) then
        raise exception 'a new run waits or falls back while its breaker is tripped, and only then'
            using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger runs_breaker_guard before update on runs
    for each row when (new.fallback is distinct from old.fallback or (old.epoch = 0 and new.epoch > 0))
    execute function runs_breaker_guard();
