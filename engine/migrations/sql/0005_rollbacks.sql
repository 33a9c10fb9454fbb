-- Rolling a run back: the plan that a person confirmed, and one undo for each call of it. An undo goes
-- through the steps of a call, in a table of its own: it belongs to no step of the graph. A rollback
-- goes through the steps of a run.

-- A call in doubt can be undone by a tool that can do that; an undo that failed can be tried again
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
        ('run', 'waiting', 'queued'), ('run', 'waiting', 'ended'))
$$;

-- What is undone in doubt has no result
alter table calls drop constraint succeeded_has_result;
alter table calls add constraint succeeded_has_result check (
    (result_type is null) = (result is null)
    and (result is not null or state <> 'succeeded')
    and (result is null or state in ('succeeded', 'undoing', 'undone', 'undo_failed')));

-- How a call found its target, as a digest of what its tool's fingerprint said; written before it
-- starts, so that the call's own row may come later
create table states_before (
    tenant_id text not null,
    run_id    uuid not null,
    call_id   uuid not null,
    digest    bytea not null,
    primary key (tenant_id, call_id),
    constraint state_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id)
);

create table rollbacks (
    tenant_id    text not null,
    id           uuid not null,
    run_id       uuid not null,
    needs        text[] not null, -- agent/tool@version that a worker must have
    plan         bytea not null,
    digest       bytea not null,
    approval_id  uuid,
    requested_by text not null,
    state        text not null,
    outcome      text,
    reason       text,
    created_at   timestamptz not null default clock_timestamp(),
    ended_at     timestamptz,
    epoch        bigint not null default 0,
    worker_id    uuid,
    claimed_at   timestamptz,
    primary key (tenant_id, id),
    constraint rollback_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id),
    -- what was confirmed is what is done
    constraint rollback_is_its_plan check (digest = sha256(plan)),
    constraint rollback_is_what_was_approved foreign key (tenant_id, approval_id, digest)
        references approvals (tenant_id, id, digest),
    constraint rollback_outcome_fits check (
        outcome in ('undone', 'partial', 'rejected', 'expired', 'stale')
        and (state = 'ended') = (outcome is not null)),
    constraint rollback_has_worker check ((state = 'running') = (worker_id is not null)),
    constraint rollback_in_hand foreign key (worker_id) references workers (id)
);
create unique index rollbacks_one_at_a_time on rollbacks (tenant_id, run_id) where state <> 'ended';
create index rollbacks_open on rollbacks (state) where state in ('queued', 'running');
create index rollbacks_by_run on rollbacks (tenant_id, run_id);

create table undos (
    tenant_id   text not null,
    id          uuid not null,
    rollback_id uuid not null,
    call_id     uuid not null,
    position    integer not null, -- from 1; the last call first
    effect      text not null,
    recovery    text not null,
    unsure      boolean not null, -- nobody knows whether, or with what result, the call happened
    state       text not null,
    starts      integer not null default 0,
    start_token uuid,
    started_at  timestamptz,
    finished_at timestamptz,
    restored    boolean, -- whether the target is as the call found it; null where nothing tells
    error       text,
    attested_by text,
    primary key (tenant_id, id),
    constraint undo_of_a_rollback foreign key (tenant_id, rollback_id)
        references rollbacks (tenant_id, id),
    constraint undo_of_a_call foreign key (tenant_id, call_id) references calls (tenant_id, id),
    constraint undo_has_its_place unique (tenant_id, rollback_id, position),
    constraint undo_once_a_rollback unique (tenant_id, rollback_id, call_id),
    constraint undo_effect_fits check (effect in ('reversible', 'irreversible')),
    constraint undo_recovery_fits check (recovery in ('same_key', 'ask')),
    constraint undo_at_most_once check (starts <= 1 or recovery = 'same_key'),
    constraint undo_started_was_counted check (
        (starts > 0) = (state in ('executing', 'succeeded', 'failed', 'in_doubt', 'abandoned')))
);
create index undos_by_call on undos (tenant_id, call_id);

create function rollbacks_guard() returns trigger language plpgsql as $$
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
    if new.state is distinct from old.state and not lifecycle('run', old.state, new.state) then
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
create trigger rollbacks_guard before insert or update on rollbacks
    for each row execute function rollbacks_guard();

create function undos_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.state <> 'allowed' or new.attested_by is not null then
            raise exception 'an undo begins as allowed' using errcode = 'IL001';
        end if;
        if (new.effect = 'irreversible' or new.unsure) and not exists (
            select from rollbacks r join approvals a
                 on a.tenant_id = r.tenant_id and a.id = r.approval_id
            where r.tenant_id = new.tenant_id and r.id = new.rollback_id and a.kind = 'rollback') then
            raise exception 'an undo that may do harm is in no plan without an approval'
                using errcode = 'IL003';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.rollback_id, new.call_id, new.position, new.effect, new.recovery,
        new.unsure)
       is distinct from
       (old.tenant_id, old.id, old.rollback_id, old.call_id, old.position, old.effect, old.recovery,
        old.unsure) then
        raise exception 'what an undo is cannot change' using errcode = 'IL002';
    end if;
    if new.state is distinct from old.state and not lifecycle('call', old.state, new.state) then
        raise exception 'an undo cannot go from % to %', old.state, new.state
            using errcode = 'IL001';
    end if;
    if new.starts is distinct from old.starts
       and not (new.starts = old.starts + 1 and new.state = 'executing'
                and new.start_token is distinct from old.start_token) then
        raise exception 'starts of an undo are counted up one by one' using errcode = 'IL002';
    end if;
    if new.state = 'executing' and old.state <> 'executing' and new.starts = old.starts then
        raise exception 'a start of an undo must be counted' using errcode = 'IL002';
    end if;
    if new.starts > old.starts then
        if not exists (
            select from rollbacks r
            where r.tenant_id = new.tenant_id and r.id = new.rollback_id and r.state = 'running') then
            raise exception 'no undo starts in a rollback that nobody carries out'
                using errcode = 'IL003';
        end if;
        if exists (
            select from undos u
            where u.tenant_id = new.tenant_id and u.rollback_id = new.rollback_id
              and u.position < new.position and u.state <> 'succeeded') then
            raise exception 'an undo starts when those before it are done' using errcode = 'IL003';
        end if;
    end if;
    if old.state in ('succeeded', 'failed', 'abandoned', 'cancelled')
       and (new.error, new.restored, new.attested_by, new.finished_at) is distinct from
           (old.error, old.restored, old.attested_by, old.finished_at) then
        raise exception 'a recorded outcome of an undo cannot change' using errcode = 'IL002';
    end if;
    if new.attested_by is distinct from old.attested_by and not exists (
        select from approvals a
        join decisions d on d.tenant_id = a.tenant_id and d.approval_id = a.id
        where a.tenant_id = new.tenant_id and a.call_id = new.call_id and a.kind = 'in_doubt'
          and d.kind = 'answer' and d.reviewer = new.attested_by) then
        raise exception '% did not say what became of this undo', new.attested_by
            using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger undos_guard before insert or update on undos
    for each row execute function undos_guard();

-- A call is undone by an undo, and is as far as that is
create function undone_by_its_undo() returns trigger language plpgsql as $$
declare
    reached text;
begin
    select c.state into reached from calls c where c.tenant_id = new.tenant_id and c.id = new.id;
    if not exists (
        select from undos u
        where u.tenant_id = new.tenant_id and u.call_id = new.id
          and (reached, u.state) in (
              ('undoing', 'executing'), ('undoing', 'in_doubt'), ('undone', 'succeeded'),
              ('undo_failed', 'failed'), ('undo_failed', 'abandoned'))) then
        raise exception 'call % is % and no undo says so', new.id, reached using errcode = 'IL003';
    end if;
    return null;
end $$;
create constraint trigger undone_by_its_undo after update on calls
    deferrable initially deferred for each row
    when (new.state is distinct from old.state and new.state in ('undoing', 'undone', 'undo_failed'))
    execute function undone_by_its_undo();

create constraint trigger audited_birth after insert on rollbacks
    deferrable initially deferred for each row execute function require_audit();
create constraint trigger audited after update on rollbacks
    deferrable initially deferred for each row when (new.state is distinct from old.state)
    execute function require_audit();
create constraint trigger audited after update on undos
    deferrable initially deferred for each row
    when (new.state is distinct from old.state or new.starts is distinct from old.starts)
    execute function require_audit();

create trigger no_delete before delete on rollbacks for each row execute function refuse_change();
create trigger no_truncate before truncate on rollbacks execute function refuse_change();
create trigger no_delete before delete on undos for each row execute function refuse_change();
create trigger no_truncate before truncate on undos execute function refuse_change();
