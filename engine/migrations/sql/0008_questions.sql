-- A question, and a conflict of opinions, is a call that waits for a person, whose answer is its result.

set constraints all immediate;
alter table approvals drop constraint call_kinds_name_a_call;
alter table approvals add constraint call_kinds_name_a_call check (
    (kind in ('call', 'in_doubt', 'question', 'conflict')) = (call_id is not null));

-- As in 0002, for every kind of approval that a call can wait for, or be attested through
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
        where a.tenant_id = new.tenant_id and a.id = new.approval_id and a.kind in ('call', 'question', 'conflict');
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
          and a.kind in ('in_doubt', 'question', 'conflict') and d.kind = 'answer' and d.reviewer = new.attested_by) then
        raise exception '% did not say what became of this call', new.attested_by
            using errcode = 'IL003';
    end if;
    return new;
end $$;

-- Nobody approves or edits a question
create function answers_guard() returns trigger language plpgsql as $$
begin
    if new.kind in ('approve', 'edit') and exists (
        select from approvals a
        where a.tenant_id = new.tenant_id and a.id = new.approval_id
          and a.kind in ('question', 'conflict')) then
        raise exception 'a question is answered or declined, and nothing else' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger answers_guard before insert on decisions
    for each row execute function answers_guard();

-- A question's call changes nothing in the world, and its result is what a person said
create function questions_guard() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals a
        where a.tenant_id = new.tenant_id and a.id = new.approval_id
          and a.kind in ('question', 'conflict')) then
        return new;
    end if;
    if new.effect <> 'read' then
        raise exception 'an answer lets nothing run that has an effect' using errcode = 'IL003';
    end if;
    if new.state <> 'executing' and (new.state <> 'succeeded' or new.attested_by is null) then
        raise exception 'only a person answers a question' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger questions_guard before update on calls
    for each row when (new.approval_id is not null
                       and new.state in ('executing', 'succeeded', 'failed', 'in_doubt'))
    execute function questions_guard();

-- As in 0001 and 0004, for every kind of approval that a call waits for
create or replace function asked_of_its_call() returns trigger language plpgsql as $$
begin
    if not exists (
        select from calls c
        where c.tenant_id = new.tenant_id and c.id = new.call_id and c.run_id = new.run_id
          and c.digest = new.digest and (new.kind = 'in_doubt' or c.approval_id = new.id)) then
        raise exception 'approval % does not show the call that it names', new.id
            using errcode = 'IL003';
    end if;
    return null;
end $$;
drop trigger waits_for_a_decision on approvals;
create constraint trigger waits_for_a_decision after update on approvals
    deferrable initially deferred for each row
    when (old.state = 'pending' and new.state <> 'pending'
          and new.kind in ('call', 'question', 'conflict'))
    execute function waits_for_a_decision();
drop trigger stands_on_its_approval on approvals;
create constraint trigger stands_on_its_approval after update on approvals
    deferrable initially deferred for each row
    when (old.state = 'approved' and new.state <> 'approved'
          and new.kind in ('call', 'question', 'conflict'))
    execute function stands_on_its_approval();
