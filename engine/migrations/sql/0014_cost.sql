-- What model calls cost: limited before they are made. A reply's row is there before its model is asked,
-- with what it may cost at the most; what it did cost comes when it is whole. Until then, and for good
-- where nobody saw the reply, it counts as the most. So no budget is kept in memory, and neither
-- parallel branches nor a crash can pass one.

alter table runs
    add column limit_tokens_in bigint not null default 1000000
        constraint some_tokens_in check (limit_tokens_in > 0),
    add column limit_tokens_out bigint not null default 100000
        constraint some_tokens_out check (limit_tokens_out > 0),
    add column limit_cost_usd numeric(14, 6) not null default 1
        constraint some_cost_usd check (limit_cost_usd > 0);

-- As in 0010, with the limits of model calls
create or replace function raised_guard(old runs, new runs) returns void language plpgsql as $$
begin
    if old.exit <> 'limit_reached' then
        raise exception 'a run that ended as % does not go on', old.exit using errcode = 'IL003';
    end if;
    if not exists (
        select from approvals a
        where a.tenant_id = new.tenant_id and a.run_id = new.id and a.kind = 'limit'
          and a.state = 'approved') then
        raise exception 'a limit is raised by a person' using errcode = 'IL003';
    end if;
    if exists (
        select from rollbacks r where r.tenant_id = new.tenant_id and r.run_id = new.id) then
        raise exception 'a run that was rolled back does not go on' using errcode = 'IL003';
    end if;
    if new.limit_steps < old.limit_steps or new.limit_calls < old.limit_calls
       or new.limit_irreversible < old.limit_irreversible or new.limit_seconds < old.limit_seconds
       or new.limit_wall_seconds < old.limit_wall_seconds or new.limit_repeats < old.limit_repeats
       or new.limit_pending < old.limit_pending or new.limit_tokens_in < old.limit_tokens_in
       or new.limit_tokens_out < old.limit_tokens_out or new.limit_cost_usd < old.limit_cost_usd
       or (new.limit_steps, new.limit_calls, new.limit_irreversible, new.limit_seconds,
           new.limit_wall_seconds, new.limit_repeats, new.limit_pending, new.limit_tokens_in,
           new.limit_tokens_out, new.limit_cost_usd)
          = (old.limit_steps, old.limit_calls, old.limit_irreversible, old.limit_seconds,
             old.limit_wall_seconds, old.limit_repeats, old.limit_pending, old.limit_tokens_in,
             old.limit_tokens_out, old.limit_cost_usd) then
        raise exception 'a raised limit is higher than before, and none is lower'
            using errcode = 'IL002';
    end if;
end $$;

create or replace function runs_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.status <> 'queued' then
            raise exception 'a run begins as queued' using errcode = 'IL001';
        end if;
        return new;
    end if;
    if new.status is distinct from old.status and not lifecycle('run', old.status, new.status) then
        raise exception 'a run cannot go from % to %', old.status, new.status
            using errcode = 'IL001';
    end if;
    if new.epoch < old.epoch or new.used_steps < old.used_steps or new.used_calls < old.used_calls
       or new.used_irreversible < old.used_irreversible
       or new.used_ms < old.used_ms or new.want < old.want or new.done < old.done then
        raise exception 'what a run has used only grows' using errcode = 'IL002';
    end if;
    if new.epoch <> old.epoch
       + (case when new.status = 'running' and old.status = 'queued' then 1 else 0 end) then
        raise exception 'a claim, and nothing else, takes the next epoch' using errcode = 'IL002';
    end if;
    if new.status = 'running' and old.status = 'running'
       and new.worker_id is distinct from old.worker_id then
        raise exception 'a run goes to another worker through the queue' using errcode = 'IL002';
    end if;
    if (new.tenant_id, new.id, new.agent, new.requested_by, new.created_at, new.request_digest)
       is distinct from
       (old.tenant_id, old.id, old.agent, old.requested_by, old.created_at, old.request_digest)
       or new.idempotency_key is distinct from old.idempotency_key
       or new.input::text is distinct from old.input::text
       or new.tags::text is distinct from old.tags::text then
        raise exception 'what was asked of a run cannot change' using errcode = 'IL002';
    end if;
    if old.status = 'ended' and new.status = 'queued' then
        perform raised_guard(old, new);
    elsif (new.limit_steps, new.limit_calls, new.limit_irreversible, new.limit_seconds,
           new.limit_wall_seconds, new.limit_repeats, new.limit_pending, new.limit_tokens_in,
           new.limit_tokens_out, new.limit_cost_usd, new.due_by)
          is distinct from
          (old.limit_steps, old.limit_calls, old.limit_irreversible, old.limit_seconds,
           old.limit_wall_seconds, old.limit_repeats, old.limit_pending, old.limit_tokens_in,
           old.limit_tokens_out, old.limit_cost_usd, old.due_by) then
        raise exception 'a limit is raised by a person, and the run goes on with it'
            using errcode = 'IL002';
    elsif old.status = 'ended'
       and ((new.exit, new.exit_reason, new.ended_at)
            is distinct from (old.exit, old.exit_reason, old.ended_at)
            or new.output::text is distinct from old.output::text) then
        raise exception 'how a run ended cannot change' using errcode = 'IL002';
    end if;
    return new;
end $$;

-- Replies ---------------------------------------------------------------------------------------

alter table replies
    add column epoch bigint,
    add column day date,                -- in UTC: the one that its tenant's limit counts it on
    add column reserved_in bigint,      -- the most that it may take
    add column reserved_out bigint,
    add column reserved_usd numeric(18, 9),
    add column usd numeric(18, 9),      -- null: not known yet, so that what is reserved counts
    add column price text,              -- where the price is from
    add column is_folded boolean not null default false; -- counted in its tenant's day
-- Replies from before were not priced
update replies
set epoch = 0, day = (created_at at time zone 'UTC')::date, reserved_in = 0, reserved_out = 0,
    reserved_usd = 0, usd = 0, price = 'unknown';
alter table replies
    alter column epoch set not null,
    alter column day set not null,
    alter column reserved_in set not null,
    alter column reserved_out set not null,
    alter column reserved_usd set not null,
    add constraint reply_reserves_amounts check (least(reserved_in, reserved_out, reserved_usd) >= 0),
    add constraint reply_costs_an_amount check (usd >= 0),
    add constraint reply_is_priced check ((usd is null) = (price is null)),
    add constraint reply_said_is_paid check (content is null or usd is not null);
create index replies_to_fold on replies (tenant_id, day) where not is_folded;
create index replies_by_time on replies (tenant_id, created_at);

create or replace function replies_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.usd is not null then
            raise exception 'what a reply costs is reserved before it is known' using errcode = 'IL001';
        end if;
        if not run_is_held(new.tenant_id, new.run_id, new.epoch) then
            raise exception 'a model is asked by whoever holds the run' using errcode = 'IL003';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.run_id, new.id, new.created_at, new.epoch, new.day, new.reserved_in,
        new.reserved_out, new.reserved_usd) is distinct from
       (old.tenant_id, old.run_id, old.id, old.created_at, old.epoch, old.day, old.reserved_in,
        old.reserved_out, old.reserved_usd) then
        raise exception 'what was reserved for a reply cannot change' using errcode = 'IL002';
    end if;
    if old.usd is not null
       and (new.model, new.provider, new.input_tokens, new.output_tokens, new.cache_read_tokens,
            new.cache_write_tokens, new.reasoning_tokens, new.usd, new.price) is distinct from
           (old.model, old.provider, old.input_tokens, old.output_tokens, old.cache_read_tokens,
            old.cache_write_tokens, old.reasoning_tokens, old.usd, old.price) then
        raise exception 'what a reply cost cannot change' using errcode = 'IL002';
    end if;
    if new.is_folded is distinct from old.is_folded and (old.is_folded or new.usd is null) then
        raise exception 'a reply is counted in a day once, when it is known what it cost'
            using errcode = 'IL002';
    end if;
    if new.content is not null and (old.usd is not null or new.usd is null)
       and (new.ns, new.key, new.ordinal, new.content) is distinct from
           (old.ns, old.key, old.ordinal, old.content) then
        raise exception 'what a reply said can be forgotten, but not change' using errcode = 'IL002';
    end if;
    return new;
end $$;
drop trigger replies_guard on replies;
create trigger replies_guard before insert or update on replies
    for each row execute function replies_guard();

-- Tenants ---------------------------------------------------------------------------------------

create table tenant_limits (
    tenant_id            text primary key,
    usd_per_day          numeric(14, 6), -- null: no limit
    irreversible_per_day integer,        -- calls held; null: no limit
    set_by               text not null,
    set_at               timestamptz not null default clock_timestamp(),
    constraint some_usd_per_day check (usd_per_day > 0),
    constraint some_irreversible_per_day check (irreversible_per_day > 0)
);

-- What runs of a tenant have used on a day, as far as it is folded in. Whoever adds to it holds the row
-- until the end of the transaction, and waits for no other row after that; the transactions in which
-- runs commit together never touch it.
create table tenant_days (
    tenant_id    text not null,
    day          date not null, -- in UTC
    usd          numeric(18, 9) not null default 0,
    irreversible integer not null default 0,
    primary key (tenant_id, day)
);
create function tenant_days_guard() returns trigger language plpgsql as $$
begin
    if (new.tenant_id, new.day) is distinct from (old.tenant_id, old.day)
       or new.usd < old.usd or new.irreversible < old.irreversible then
        raise exception 'what a day has used only grows' using errcode = 'IL002';
    end if;
    return new;
end $$;
create trigger tenant_days_guard before update on tenant_days
    for each row execute function tenant_days_guard();

create function today() returns date language sql stable as $$
    select (clock_timestamp() at time zone 'UTC')::date
$$;

-- Where no limit of the run has room, which one; one that is reached already comes first. `open` is what
-- of it the calls under way may still give back.
create function run_has_no_room(r runs, needs_in bigint, needs_out bigint, needs_usd numeric)
returns json language plpgsql as $$
begin
    return (
        select json_build_object('said', 'refused', 'limit', l.name, 'allowed', l.allowed,
                                 'used', l.used, 'open', l.open, 'needs', l.needs)
        from (
            select coalesce(sum(coalesce(e.input_tokens, e.reserved_in)), 0) as used_in,
                   coalesce(sum(coalesce(e.output_tokens, e.reserved_out)), 0) as used_out,
                   coalesce(sum(coalesce(e.usd, e.reserved_usd)), 0) as used_usd,
                   coalesce(sum(e.reserved_in) filter (where is_open), 0) as open_in,
                   coalesce(sum(e.reserved_out) filter (where is_open), 0) as open_out,
                   coalesce(sum(e.reserved_usd) filter (where is_open), 0) as open_usd
            from replies e cross join lateral (select e.usd is null and e.epoch = r.epoch) o(is_open)
            where e.tenant_id = r.tenant_id and e.run_id = r.id) s
        cross join lateral (values
            (1, 'cost_usd', r.limit_cost_usd, s.used_usd, s.open_usd, needs_usd),
            (2, 'tokens_in', r.limit_tokens_in, s.used_in, s.open_in, needs_in),
            (3, 'tokens_out', r.limit_tokens_out, s.used_out, s.open_out, needs_out))
            l(place, name, allowed, used, open, needs)
        where l.used + l.needs > l.allowed
        order by l.used - l.open < l.allowed, l.place
        limit 1);
end $$;

-- The same of the tenant's day, which nobody else adds to until the end of this transaction. Rows that
-- others have at the moment are left for later, and counted as they are.
create function day_has_no_room(tenant text, needs_usd numeric) returns json language plpgsql as $$
declare
    most numeric := (select l.usd_per_day from tenant_limits l where l.tenant_id = tenant);
    at date := today();
    used numeric;
    may_come_back numeric;
begin
    if most is null or needs_usd = 0 then
        return null;
    end if;
    insert into tenant_days (tenant_id, day) values (tenant, at) on conflict do nothing;
    perform from tenant_days d where d.tenant_id = tenant and d.day = at for update;
    with known as (
        select e.run_id, e.id from replies e
        where e.tenant_id = tenant and e.day = at and not e.is_folded and e.usd is not null
        for no key update skip locked),
    folded as (
        update replies e set is_folded = true from known k
        where e.tenant_id = tenant and e.run_id = k.run_id and e.id = k.id
        returning e.usd)
    update tenant_days d set usd = d.usd + f.usd
    from (select sum(folded.usd) as usd from folded) f
    where d.tenant_id = tenant and d.day = at and f.usd > 0;
    select d.usd + coalesce(sum(coalesce(e.usd, e.reserved_usd)), 0),
           coalesce(sum(e.reserved_usd) filter (where e.usd is null), 0)
    into used, may_come_back
    from tenant_days d
    left join replies e on e.tenant_id = d.tenant_id and e.day = d.day and not e.is_folded
    where d.tenant_id = tenant and d.day = at
    group by d.usd;
    if used + needs_usd <= most then
        return null;
    end if;
    return json_build_object('said', 'refused', 'limit', 'usd_per_day', 'allowed', most,
                             'used', used, 'open', may_come_back, 'needs', needs_usd);
end $$;

-- Room for a model call, before it is made: in a transaction of its own, so that what is held is held
-- for a moment only
create function reserve_reply(
    tenant text, run uuid, held bigint, reply uuid, asked_model text, asked_provider text,
    needs_in bigint, needs_out bigint, needs_usd numeric)
returns json language plpgsql as $$
declare
    r runs;
    refused json;
begin
    select * into r from runs
    where tenant_id = tenant and id = run and epoch = held and status = 'running'
    for no key update;
    if not found then
        return json_build_object('said', 'lost');
    end if;
    if r.cancel_requested_by is not null then
        return json_build_object('said', 'cancelled', 'by', r.cancel_requested_by);
    end if;
    perform from replies e where e.tenant_id = tenant and e.run_id = run and e.id = reply;
    if found then
        return json_build_object('said', 'reserved');
    end if;
    refused := run_has_no_room(r, needs_in, needs_out, needs_usd);
    if refused is null then
        refused := day_has_no_room(tenant, needs_usd);
    end if;
    if refused is not null then
        return refused;
    end if;
    insert into replies (tenant_id, run_id, id, epoch, day, model, provider, reserved_in, reserved_out,
                         reserved_usd)
    values (tenant, run, reply, held, today(), asked_model, asked_provider, needs_in, needs_out,
            needs_usd);
    return json_build_object('said', 'reserved');
end $$;

-- As in 0006, with what it cost in USD: of a reply whose row is there
drop function put_reply;
create function put_reply(
    tenant text, run uuid, held bigint, reply uuid, said_model text, said_provider text,
    said_input bigint, said_output bigint, said_cache_read bigint, said_cache_write bigint,
    said_reasoning bigint, cost numeric, cost_price text, kept_ns text, kept_key bytea,
    kept_ordinal integer, kept_content bytea)
returns text language plpgsql as $$
declare
    is_kept boolean := kept_content is not null and run_is_held(tenant, run, held);
begin
    update replies e
    set model = coalesce(said_model, e.model), provider = coalesce(said_provider, e.provider),
        input_tokens = said_input, output_tokens = said_output, cache_read_tokens = said_cache_read,
        cache_write_tokens = said_cache_write, reasoning_tokens = said_reasoning, usd = cost,
        price = cost_price, ns = case when is_kept then kept_ns end,
        key = case when is_kept then kept_key end,
        ordinal = case when is_kept then kept_ordinal end,
        content = case when is_kept then kept_content end
    where e.tenant_id = tenant and e.run_id = run and e.id = reply and e.usd is null;
    return 'written';
end $$;

-- What a run has used of its calls, and its tenant's day of irreversible ones; says which limit has no
-- room, and counts nothing then
create function count_calls(tenant text, run uuid, made integer, final integer)
returns json language plpgsql as $$
declare
    most integer := (select l.irreversible_per_day from tenant_limits l where l.tenant_id = tenant);
    at date := today();
    more integer;
    used integer;
begin
    select final - r.used_irreversible into more from runs r
    where r.tenant_id = tenant and r.id = run for no key update;
    if most is not null and more > 0 then
        insert into tenant_days (tenant_id, day) values (tenant, at) on conflict do nothing;
        select d.irreversible into used from tenant_days d
        where d.tenant_id = tenant and d.day = at for update;
        if used + more > most then
            return json_build_object('said', 'refused', 'limit', 'irreversible_per_day',
                                     'allowed', most, 'used', used);
        end if;
        update tenant_days d set irreversible = used + more where d.tenant_id = tenant and d.day = at;
    end if;
    update runs r
    set used_calls = greatest(r.used_calls, made),
        used_irreversible = greatest(r.used_irreversible, final)
    where r.tenant_id = tenant and r.id = run;
    return json_build_object('said', 'counted');
end $$;
