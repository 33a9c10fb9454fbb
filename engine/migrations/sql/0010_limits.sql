-- More limits of a run, and a person's right to raise one: the run that it ended goes on.

alter table runs
    add column limit_irreversible integer not null default 10
        constraint some_irreversible check (limit_irreversible > 0),
    add column limit_wall_seconds integer not null default 2592000
        constraint some_wall_seconds check (limit_wall_seconds > 0),
    add column limit_pending integer not null default 10
        constraint some_pending check (limit_pending > 0),
    add column used_irreversible integer not null default 0,
    add column due_by timestamptz, -- whatever the run does, it is over by then
    add constraint irreversible_within_limit
        check (used_irreversible between 0 and limit_irreversible);
update runs set due_by = created_at + make_interval(secs => limit_wall_seconds);
set constraints all immediate; -- a table with checks to come cannot be altered
alter table runs
    alter column due_by set not null,
    add constraint due_by_its_limit check (due_by = created_at + make_interval(secs => limit_wall_seconds));
create index runs_due on runs (due_by) where status = 'waiting';

create function runs_due_by() returns trigger language plpgsql as $$
begin
    new.due_by := new.created_at + make_interval(secs => new.limit_wall_seconds);
    return new;
end $$;
create trigger runs_due_by before insert on runs
    for each row execute function runs_due_by();

-- What waited when a limit ended its run is asked about anew
drop index calls_one_live_revision;
create unique index calls_one_live_revision on calls (tenant_id, run_id, key)
    where state not in ('superseded', 'cancelled');

-- A run that a limit ended can go on; a rollback that ended is over
create or replace function lifecycle(what text, old_state text, new_state text) returns boolean
language sql immutable parallel safe as $$
    select (what, old_state, new_state) in (
        ('call', 'proposed', 'allowed'), ('call', 'proposed', 'waiting'),
        ('call', 'proposed', 'forbidden'),
        ('call', 'waiting', 'approved'), ('call', 'waiting', 'rejected'),
        ('call', 'waiting', 'expired'), ('call', 'waiting', 'cancelled'),
        ('call', 'waiting', 'superseded'),
        ('call', 'allowed', 'executing'), ('call', 'allowed', 'cancelled'),
        ('call', 'allowed', 'superseded'),
        ('call', 'approved', 'executing'), ('call', 'approved', 'cancelled'),
        ('call', 'approved', 'superseded'), ('call', 'approved', 'waiting'),
        ('call', 'executing', 'succeeded'), ('call', 'executing', 'failed'),
        ('call', 'executing', 'in_doubt'),
        ('call', 'in_doubt', 'succeeded'), ('call', 'in_doubt', 'failed'),
        ('call', 'in_doubt', 'abandoned'), ('call', 'in_doubt', 'undoing'),
        ('call', 'succeeded', 'undoing'),
        ('call', 'undoing', 'undone'), ('call', 'undoing', 'undo_failed'),
        ('call', 'undo_failed', 'undoing'),
        ('approval', 'pending', 'approved'), ('approval', 'pending', 'rejected'),
        ('approval', 'pending', 'expired'), ('approval', 'pending', 'cancelled'),
        ('approval', 'pending', 'superseded'),
        ('approval', 'approved', 'consumed'), ('approval', 'approved', 'lapsed'),
        ('run', 'queued', 'running'), ('run', 'queued', 'ended'),
        ('run', 'running', 'waiting'), ('run', 'running', 'queued'), ('run', 'running', 'ended'),
        ('run', 'waiting', 'queued'), ('run', 'waiting', 'ended'),
        ('run', 'ended', 'queued'),
        ('rollback', 'queued', 'running'), ('rollback', 'queued', 'ended'),
        ('rollback', 'running', 'waiting'), ('rollback', 'running', 'queued'),
        ('rollback', 'running', 'ended'),
        ('rollback', 'waiting', 'queued'), ('rollback', 'waiting', 'ended'))
$$;

create or replace function rollbacks_guard() returns trigger language plpgsql as $$
declare
    given text;
begin
    if tg_op = 'INSERT' then
        if new.state not in ('queued', 'waiting') or (new.state = 'waiting') <> (new.approval_id is not null)
        then
            raise exception 'a rollback begins as queued, or waits for its approval'
                using errcode = 'IL001';
        end if;
        if not exists (
            select from runs r
            where r.tenant_id = new.tenant_id and r.id = new.run_id and r.status = 'ended') then
            raise exception 'only a run that has ended is rolled back' using errcode = 'IL003';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.run_id, new.needs, new.plan, new.digest, new.requested_by,
        new.created_at)
       is distinct from
       (old.tenant_id, old.id, old.run_id, old.needs, old.plan, old.digest, old.requested_by,
        old.created_at)
       or new.approval_id is distinct from old.approval_id then
        raise exception 'what was confirmed of a rollback cannot change' using errcode = 'IL002';
    end if;
    if new.state is distinct from old.state and not lifecycle('rollback', old.state, new.state) then
        raise exception 'a rollback cannot go from % to %', old.state, new.state
            using errcode = 'IL001';
    end if;
    if new.epoch <> old.epoch
       + (case when new.state = 'running' and old.state = 'queued' then 1 else 0 end) then
        raise exception 'a claim, and nothing else, takes the next epoch of a rollback'
            using errcode = 'IL002';
    end if;
    if new.state = 'running' and new.approval_id is not null then
        select a.state into given from approvals a
        where a.tenant_id = new.tenant_id and a.id = new.approval_id and a.kind = 'rollback';
        if given is distinct from 'consumed' then
            raise exception 'a rollback cannot start while its approval is %', given
                using errcode = 'IL003';
        end if;
    end if;
    if old.state = 'ended'
       and (new.outcome, new.reason, new.ended_at) is distinct from
           (old.outcome, old.reason, old.ended_at) then
        raise exception 'how a rollback ended cannot change' using errcode = 'IL002';
    end if;
    return new;
end $$;

-- As in 0003: what is asked about a limit is asked of a run that has ended
create or replace function end_run(
    tenant text, run uuid, held bigint, was text, new_exit text, why text, new_output json,
    active_ms bigint, actor text, entry bytea)
returns text language plpgsql as $$
begin
    perform from runs r
    where r.tenant_id = tenant and r.id = run and r.epoch = held and r.status = was
    for no key update;
    if not found then
        perform from runs r
        where r.tenant_id = tenant and r.id = run and r.epoch = held and r.status = 'ended'
          and r.exit = new_exit and r.exit_reason = why;
        return case when found then 'written' else 'lost' end;
    end if;
    perform from calls c
    where c.tenant_id = tenant and c.run_id = run
      and c.state in ('proposed', 'allowed', 'waiting', 'approved', 'executing');
    if found then
        return 'open';
    end if;
    perform from approvals a
    where a.tenant_id = tenant and a.run_id = run and a.kind not in ('in_doubt', 'limit')
      and a.state in ('pending', 'approved');
    if found then
        return 'open';
    end if;
    update runs r
    set status = 'ended', exit = new_exit, exit_reason = why, output = new_output,
        ended_at = clock_timestamp(), worker_id = null, done = want, used_ms = used_ms + active_ms
    where r.tenant_id = tenant and r.id = run;
    insert into audit_log (tenant_id, event, actor, run_id, subject, state, entry)
    values (tenant, 'run.ended', actor, run, run, 'ended', entry);
    return 'written';
end $$;

-- Only a person's approval of exactly that lets a run go on, with limits that none is lower of, and
-- nothing of it undone
create function raised_guard(old runs, new runs) returns void language plpgsql as $$
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
       or new.limit_pending < old.limit_pending
       or (new.limit_steps, new.limit_calls, new.limit_irreversible, new.limit_seconds,
           new.limit_wall_seconds, new.limit_repeats, new.limit_pending)
          = (old.limit_steps, old.limit_calls, old.limit_irreversible, old.limit_seconds,
             old.limit_wall_seconds, old.limit_repeats, old.limit_pending) then
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
           new.limit_wall_seconds, new.limit_repeats, new.limit_pending, new.due_by)
          is distinct from
          (old.limit_steps, old.limit_calls, old.limit_irreversible, old.limit_seconds,
           old.limit_wall_seconds, old.limit_repeats, old.limit_pending, old.due_by) then
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
