-- The engine's own checkpoints, and the functions through which a run writes on its hot path: what a
-- step has to store is one statement that calls them, so that it is one transaction and one round
-- trip, and any mixture of runs can share it.

-- Checkpoints of LangGraph's own saver cannot be carried over, and a run that lost them would make its
-- calls again under other keys. Its tables stay: another program may use them, too.
do $$
declare
    under_way boolean := false;
begin
    if to_regclass('checkpoints') is not null then
        execute 'select exists (select from runs r join checkpoints c on c.thread_id = r.id::text
                                where r.status <> ''ended'')' into under_way;
    end if;
    if under_way then
        raise exception 'runs are under way whose checkpoints this version cannot read; '
            'let them end, or cancel them, with the version that began them' using errcode = 'IL007';
    end if;
end $$;

create table steps (
    tenant_id text not null,
    run_id    uuid not null,
    ns        text not null,
    id        text not null check (id <> ''),
    parent_id text,
    state     bytea not null, -- versions and small values
    channels  bytea not null, -- channels that changed: whole, or what differs from an earlier step
    writes    bytea,          -- what the tasks of the parent wrote, where that was not stored before
    metadata  jsonb not null,
    primary key (tenant_id, run_id, ns, id),
    constraint step_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id)
) with (toast_tuple_target = 8160);

create table step_writes (
    tenant_id text not null,
    run_id    uuid not null,
    ns        text not null,
    step_id   text not null check (step_id <> ''),
    task_id   text not null,
    idx       integer not null,
    task_path text not null,
    channel   text not null,
    type      text not null,
    value     bytea not null,
    primary key (tenant_id, run_id, ns, step_id, task_id, idx),
    constraint write_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id)
) with (toast_tuple_target = 8160);

-- A step updates its run's row, which should not copy the run's input each time
alter table runs set (toast_tuple_target = 256);

-- The fence, and the count: both are absolute, so that a write whose answer was lost can be repeated
create function advance_run(tenant text, run uuid, held bigint, steps integer, calls integer)
returns boolean language plpgsql as $$
begin
    update runs r
    set used_steps = greatest(r.used_steps, steps), used_calls = greatest(r.used_calls, calls),
        deaths = case when steps > r.used_steps then 0 else r.deaths end
    where r.tenant_id = tenant and r.id = run and r.epoch = held and r.status = 'running';
    return found;
end $$;

create function put_step(
    tenant text, run uuid, ns text, id text, parent text, state bytea, channels bytea,
    writes bytea, metadata jsonb)
returns text language plpgsql as $$
begin
    insert into steps as s values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict on constraint steps_pkey do update
    set parent_id = excluded.parent_id, state = excluded.state, channels = excluded.channels,
        writes = coalesce(excluded.writes, s.writes), metadata = excluded.metadata;
    return 'written';
end $$;

-- Errors, interrupts and answers to them (idx < 0) replace what they said before; results do not
create function put_step_write(
    tenant text, run uuid, ns text, step text, task text, idx integer, path text, channel text,
    type text, value bytea)
returns text language plpgsql as $$
begin
    insert into step_writes as w values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict on constraint step_writes_pkey do update
    set channel = excluded.channel, type = excluded.type, value = excluded.value
    where excluded.idx < 0;
    return 'written';
end $$;

-- A call that the policy allows, from when it is first at rest: `executing` when it starts, or, for a
-- read, what became of it. The same start again, after a lost answer, is no second one.
create function write_call(
    tenant text, run uuid, call uuid, call_key bytea, call_revision integer, call_ns text, task text,
    call_tool_call_id text, call_tool text, version text, call_args bytea, call_digest bytea, call_effect text,
    call_source text, call_rule text, call_evidence json, policy text, call_policies text[],
    call_reason text, call_recovery text, new_state text, token uuid, took interval,
    call_result_type text, call_result bytea, call_error text, event text, actor text, entry bytea)
returns text language plpgsql as $$
declare
    now timestamptz := clock_timestamp();
begin
    if new_state = 'executing' and exists (
        select from runs r
        where r.tenant_id = tenant and r.id = run and r.cancel_requested_by is not null) then
        return 'cancelled';
    end if;
    insert into calls (
        tenant_id, id, run_id, key, revision, ns, task_id, tool_call_id, tool, tool_version, args,
        digest, effect, source, rule, evidence, verdict, policy_digest, policies, reason, recovery, state,
        proposed_at, starts, start_token, started_at, finished_at, result_type, result, error)
    values (
        tenant, call, run, call_key, call_revision, call_ns, task, call_tool_call_id, call_tool,
        version, call_args, call_digest, call_effect, call_source, call_rule, call_evidence, 'allow', policy,
        call_policies, call_reason, call_recovery, new_state, now - took, 1, token, now - took,
        case when new_state <> 'executing' then now end, call_result_type, call_result, call_error)
    on conflict do nothing;
    if not found then
        perform from calls c where c.tenant_id = tenant and c.id = call and c.start_token = token;
        return case when found then 'written' else 'known' end;
    end if;
    insert into audit_log (tenant_id, event, actor, run_id, call_id, subject, state, entry)
    values (tenant, event, actor, run, call, call, new_state, entry);
    return 'written';
end $$;

-- What became of a call that is executing. Not fenced by the run: a result is the truth
create function finish_call(
    tenant text, run uuid, call uuid, approval uuid, token uuid, new_state text,
    call_result_type text, call_result bytea, call_error text, event text, actor text, entry bytea)
returns text language plpgsql as $$
begin
    update calls c
    set state = new_state, result_type = call_result_type, result = call_result,
        error = call_error, finished_at = clock_timestamp()
    where c.tenant_id = tenant and c.id = call and c.start_token = token and c.state = 'executing';
    if not found then
        perform from calls c
        where c.tenant_id = tenant and c.id = call and c.start_token = token
          and c.state = new_state;
        return case when found then 'written' else 'known' end;
    end if;
    insert into audit_log (tenant_id, event, actor, run_id, call_id, approval_id, subject, state,
                           entry)
    values (tenant, event, actor, run, call, approval, call, new_state, entry);
    return 'written';
end $$;

-- A call's row begins further along where nobody has to be waited for
create or replace function calls_guard() returns trigger language plpgsql as $$
declare
    given text;
begin
    if (tg_op = 'INSERT' or new.starts > old.starts) and exists (
        select from runs r
        where r.tenant_id = new.tenant_id and r.id = new.run_id and r.status = 'ended') then
        raise exception 'no call begins or starts in a run that has ended' using errcode = 'IL003';
    end if;
    if tg_op = 'INSERT' then
        -- what is allowed may be written when it starts, and a read when it is over
        if not (lifecycle('call', 'proposed', new.state)
                or (new.verdict = 'allow' and new.starts = 1
                    and (new.state = 'executing'
                         or (new.state in ('succeeded', 'failed') and new.effect = 'read')))) then
            raise exception 'a call cannot begin as %', new.state using errcode = 'IL001';
        end if;
        if new.state in ('executing', 'succeeded', 'failed') and not exists (
            select from runs r
            where r.tenant_id = new.tenant_id and r.id = new.run_id and r.status = 'running') then
            raise exception 'no call starts in a run that nobody executes' using errcode = 'IL003';
        end if;
        if new.state in ('executing', 'succeeded', 'failed') and (
            new.start_token is null or new.started_at is null
            or (new.finished_at is null) <> (new.state = 'executing')
            or (new.state = 'executing' and new.error is not null)) then
            raise exception 'a call that begins as % has too much or too little said of it', new.state
                using errcode = 'IL002';
        end if;
        if new.attested_by is not null then
            raise exception 'nobody can have attested a call that begins' using errcode = 'IL002';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.run_id, new.key, new.revision, new.ns, new.task_id, new.tool,
        new.tool_version, new.args, new.digest, new.effect, new.source, new.rule, new.verdict,
        new.policy_digest, new.policies, new.reason, new.recovery, new.proposed_at)
       is distinct from
       (old.tenant_id, old.id, old.run_id, old.key, old.revision, old.ns, old.task_id, old.tool,
        old.tool_version, old.args, old.digest, old.effect, old.source, old.rule, old.verdict,
        old.policy_digest, old.policies, old.reason, old.recovery, old.proposed_at)
       or new.tool_call_id is distinct from old.tool_call_id
       or new.evidence::text is distinct from old.evidence::text then
        raise exception 'what a call is cannot change' using errcode = 'IL002';
    end if;
    if new.approval_id is distinct from old.approval_id
       and not (old.state = 'approved' and new.state = 'waiting') then
        raise exception 'a call keeps its approval' using errcode = 'IL002';
    end if;
    if new.state is distinct from old.state and not lifecycle('call', old.state, new.state) then
        raise exception 'a call cannot go from % to %', old.state, new.state using errcode = 'IL001';
    end if;
    if new.starts is distinct from old.starts
       and not (new.starts = old.starts + 1 and new.state = 'executing') then
        raise exception 'starts are counted up one by one' using errcode = 'IL002';
    end if;
    if new.state = 'executing' and old.state <> 'executing' and new.starts <> old.starts + 1 then
        raise exception 'a start must be counted' using errcode = 'IL002';
    end if;
    if new.start_token is distinct from old.start_token and new.starts = old.starts then
        raise exception 'a start keeps its token' using errcode = 'IL002';
    end if;
    -- a call that waited takes over what became of its approval, and nothing else
    if (old.state = 'waiting' and new.state <> 'waiting')
       or (old.state = 'approved' and new.state = 'executing') then
        select a.state into given from approvals a
        where a.tenant_id = new.tenant_id and a.id = new.approval_id and a.kind = 'call';
        if given is distinct from
           (case new.state when 'executing' then 'consumed' else new.state end) then
            raise exception 'a call cannot become % while its approval is %', new.state, given
                using errcode = 'IL003';
        end if;
    end if;
    if (old.state in ('succeeded', 'failed', 'abandoned', 'undoing', 'undone', 'undo_failed')
        and (new.result_type, new.result, new.attested_by) is distinct from
            (old.result_type, old.result, old.attested_by))
       or (old.state in ('succeeded', 'failed', 'abandoned', 'undone', 'undo_failed')
           and new.error is distinct from old.error) then
        raise exception 'a recorded outcome cannot change' using errcode = 'IL002';
    end if;
    if new.attested_by is distinct from old.attested_by and not exists (
        select from approvals a
        join decisions d on d.tenant_id = a.tenant_id and d.approval_id = a.id
        where a.tenant_id = new.tenant_id and a.run_id = new.run_id and a.call_id = new.id
          and a.kind = 'in_doubt' and d.kind = 'answer' and d.reviewer = new.attested_by) then
        raise exception '% did not say what became of this call', new.attested_by
            using errcode = 'IL003';
    end if;
    return new;
end $$;
