-- The first schema. States and transitions repeat engine/lifecycle.py; a test holds the two together.

create table policies (
    digest    text primary key check (digest ~ '^[0-9a-f]{64}$'),
    text      text not null,
    stored_at timestamptz not null default clock_timestamp()
);

create table agents (
    tenant_id     text not null,
    name          text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'),
    fingerprint   text not null,
    policy_digest text not null references policies,
    tools         json not null,
    limits        json not null,
    seen_at       timestamptz not null default clock_timestamp(),
    primary key (tenant_id, name, fingerprint)
);

create table workers (
    id           uuid primary key,
    host         text not null,
    pid          integer not null,
    fingerprints text[] not null,
    started_at   timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
    lease_until  timestamptz not null
);

create table runs (
    tenant_id           text not null,
    id                  uuid not null,
    agent               text not null,
    fingerprint         text not null,
    status              text not null default 'queued'
                        check (status in ('queued', 'running', 'waiting', 'ended')),
    exit                text check (exit in ('completed', 'failed', 'limit_reached', 'ambiguous',
                                             'rejected', 'cancelled', 'rolled_back')),
    exit_reason         text,
    input               json not null,
    output              json,
    tags                json not null,
    requested_by        text not null,
    idempotency_key     text,
    request_digest      bytea not null,
    created_at          timestamptz not null default clock_timestamp(),
    started_at          timestamptz,
    ended_at            timestamptz,
    -- the queue: wake-ups raise `want`; a park records in `done` how far it had looked
    want                bigint not null default 1,
    done                bigint not null default 0,
    epoch               bigint not null default 0,
    worker_id           uuid references workers,
    claimed_at          timestamptz,
    not_before          timestamptz not null default clock_timestamp(),
    deaths              integer not null default 0, -- workers lost over it since its last step
    cancel_requested_at timestamptz,
    cancel_requested_by text,
    -- limits and what is used of them
    limit_steps         integer not null check (limit_steps > 0),
    limit_calls         integer not null check (limit_calls > 0),
    limit_seconds       integer not null check (limit_seconds > 0),
    limit_repeats       integer not null check (limit_repeats > 0),
    used_steps          integer not null default 0,
    used_calls          integer not null default 0,
    used_ms             bigint not null default 0,
    primary key (tenant_id, id),
    constraint ended_has_exit check ((status = 'ended') = (exit is not null)),
    constraint ended_has_time check ((status = 'ended') = (ended_at is not null)),
    constraint running_has_worker check ((status = 'running') = (worker_id is not null)),
    constraint steps_within_limit check (used_steps between 0 and limit_steps),
    constraint calls_within_limit check (used_calls between 0 and limit_calls),
    constraint done_within_want check (done <= want)
) with (fillfactor = 70);
create unique index runs_idempotency on runs (tenant_id, idempotency_key)
    where idempotency_key is not null;
create index runs_queue on runs (not_before) where status = 'queued';
create index runs_running on runs (worker_id) where status = 'running';
create index runs_recent on runs (tenant_id, id desc);

create table approvals (
    tenant_id    text not null,
    id           uuid not null,
    kind         text not null check (kind in ('call', 'question', 'conflict', 'in_doubt', 'limit',
                                               'rollback', 'version')),
    run_id       uuid not null,
    call_id      uuid,
    digest       bytea not null check (octet_length(digest) = 32),
    state        text not null default 'pending'
                 check (state in ('pending', 'approved', 'rejected', 'expired', 'cancelled',
                                  'superseded', 'consumed', 'lapsed')),
    headline     text not null,
    reason       text not null,
    preview      json,
    reviewers    text[] not null check (cardinality(reviewers) > 0),
    quorum       integer not null default 1 check (quorum >= 1),
    created_at   timestamptz not null default clock_timestamp(),
    expires_at   timestamptz,
    closed_at    timestamptz,
    closed_by    text,
    close_reason text,
    primary key (tenant_id, id),
    constraint approval_binds_digest unique (tenant_id, id, digest),
    constraint approval_binds_call unique (tenant_id, id, call_id, digest),
    constraint pending_is_open check ((state = 'pending') = (closed_at is null)),
    constraint call_kinds_name_a_call check ((kind in ('call', 'in_doubt')) = (call_id is not null)),
    foreign key (tenant_id, run_id) references runs (tenant_id, id)
);
create unique index approvals_one_pending_per_call on approvals (tenant_id, call_id)
    where state = 'pending' and call_id is not null;
create index approvals_queue on approvals (tenant_id, expires_at) where state = 'pending';
create index approvals_by_run on approvals (tenant_id, run_id);

create table calls (
    tenant_id     text not null,
    id            uuid not null,
    run_id        uuid not null,
    key           bytea not null check (octet_length(key) = 32),
    revision      integer not null default 1 check (revision >= 1),
    ns            text not null,
    task_id       text not null,
    tool_call_id  text,
    tool          text not null check (tool ~ '^[A-Za-z0-9_.-]{1,128}$'),
    tool_version  text not null check (tool_version ~ '^[0-9a-f]{16}$'),
    args          bytea not null,
    digest        bytea not null,
    sameness      bytea not null generated always as (
                      sha256(tool::bytea || '\x00'::bytea || args)) stored,
    effect        text not null check (effect in ('read', 'reversible', 'irreversible')),
    source        text not null check (source in ('declared', 'policy', 'inferred', 'default')),
    rule          text not null,
    evidence      json not null,
    verdict       text not null check (verdict in ('allow', 'review', 'forbid')),
    policy_digest text not null references policies,
    policies      text[] not null,
    reason        text not null,
    recovery      text not null check (recovery in ('again', 'same_key', 'verify', 'ask')),
    state         text not null
                  check (state in ('proposed', 'allowed', 'waiting', 'forbidden', 'approved',
                                   'rejected', 'expired', 'cancelled', 'superseded', 'executing',
                                   'succeeded', 'failed', 'in_doubt', 'abandoned', 'undoing',
                                   'undone', 'undo_failed')),
    approval_id   uuid,
    proposed_at   timestamptz not null default clock_timestamp(),
    starts        integer not null default 0 check (starts >= 0),
    start_token   uuid,
    started_at    timestamptz,
    finished_at   timestamptz,
    result_type   text,
    result        bytea,
    error         text,
    attested_by   text,
    primary key (tenant_id, id),
    unique (tenant_id, run_id, key, revision),
    foreign key (tenant_id, run_id) references runs (tenant_id, id),
    -- what was approved is what runs: the digest is that of the stored bytes
    constraint digest_is_of_the_stored_bytes check (
        digest = sha256(
            '{"args":'::bytea || args
            || (',"key":"' || encode(key, 'hex') || '","run":"' || run_id::text
                || '","tool":"' || tool || '","tool_version":"' || tool_version || '"}')::bytea)),
    -- an approval covers the call that it names, and only with the very same digest
    constraint call_is_what_was_approved foreign key (tenant_id, approval_id, id, digest)
        references approvals (tenant_id, id, call_id, digest) deferrable initially deferred,
    -- the danger zone cannot be represented
    constraint danger_zone check (not (effect = 'irreversible' and verdict = 'allow')),
    constraint review_needs_decision check (
        not (verdict = 'review' and approval_id is null
             and state in ('waiting', 'approved', 'executing', 'succeeded', 'failed', 'in_doubt',
                           'abandoned', 'undoing', 'undone', 'undo_failed'))),
    constraint verdict_fits_state check (
        (verdict = 'forbid') = (state = 'forbidden') and (verdict = 'allow' or state <> 'allowed')),
    constraint only_reads_run_again check (recovery <> 'again' or effect = 'read'),
    constraint at_most_once check (starts <= 1 or recovery in ('again', 'same_key')),
    constraint started_was_counted check (
        (starts > 0) = (state in ('executing', 'succeeded', 'failed', 'in_doubt', 'abandoned',
                                  'undoing', 'undone', 'undo_failed'))),
    constraint succeeded_has_result check (
        (result_type is null) = (result is null)
        and (result is not null) = (state in ('succeeded', 'undoing', 'undone', 'undo_failed')))
) with (fillfactor = 70);
create unique index calls_one_live_revision on calls (tenant_id, run_id, key)
    where state <> 'superseded';
create unique index calls_one_per_approval on calls (tenant_id, approval_id)
    where approval_id is not null;
create index calls_sameness on calls (tenant_id, run_id, sameness);

alter table approvals add constraint approval_names_a_call
    foreign key (tenant_id, call_id) references calls (tenant_id, id) deferrable initially deferred;

create table reviewers (
    tenant_id     text not null,
    name          text not null check (name ~ '^[a-z0-9][a-z0-9_.@-]{0,99}$'),
    password_hash text not null,
    groups        text[] not null default '{}',
    created_at    timestamptz not null default clock_timestamp(),
    disabled_at   timestamptz,
    primary key (tenant_id, name)
);

create table tokens (
    tenant_id  text not null,
    id         uuid not null,
    reviewer   text not null,
    label      text not null,
    hash       bytea not null unique check (octet_length(hash) = 32),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, reviewer) references reviewers (tenant_id, name)
);

create table sessions (
    hash       bytea primary key check (octet_length(hash) = 32),
    tenant_id  text not null,
    reviewer   text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    foreign key (tenant_id, reviewer) references reviewers (tenant_id, name)
);
create index sessions_by_expiry on sessions (expires_at);

create table decisions (
    tenant_id   text not null,
    id          uuid not null,
    approval_id uuid not null,
    digest      bytea not null,
    reviewer    text not null,
    kind        text not null check (kind in ('approve', 'reject', 'edit', 'answer')),
    reason      text,
    args        bytea,
    answer      json,
    via         text not null check (via in ('ui', 'api', 'cli')),
    decided_at  timestamptz not null default clock_timestamp(),
    primary key (tenant_id, id),
    constraint one_decision_per_reviewer unique (tenant_id, approval_id, reviewer),
    constraint decision_binds_digest foreign key (tenant_id, approval_id, digest)
        references approvals (tenant_id, id, digest),
    foreign key (tenant_id, reviewer) references reviewers (tenant_id, name),
    constraint edit_has_args check ((kind = 'edit') = (args is not null)),
    constraint answer_has_answer check ((kind = 'answer') = (answer is not null))
);

create table audit_log (
    seq         bigint generated always as identity primary key,
    tenant_id   text not null,
    at          timestamptz not null default clock_timestamp(),
    event       text not null check (event ~ '^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$'),
    actor       text not null,
    run_id      uuid,
    call_id     uuid,
    approval_id uuid,
    subject     uuid,
    state       text,
    entry       bytea not null,
    xact        xid8 not null default pg_current_xact_id()
);
create index audit_log_by_subject on audit_log (subject, state);
create index audit_log_by_run on audit_log (tenant_id, run_id, seq);
create index audit_log_by_tenant on audit_log (tenant_id, seq);

-- Life cycles ---------------------------------------------------------------------------------

create function lifecycle(what text, old_state text, new_state text) returns boolean
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
        ('call', 'in_doubt', 'abandoned'),
        ('call', 'succeeded', 'undoing'),
        ('call', 'undoing', 'undone'), ('call', 'undoing', 'undo_failed'),
        ('approval', 'pending', 'approved'), ('approval', 'pending', 'rejected'),
        ('approval', 'pending', 'expired'), ('approval', 'pending', 'cancelled'),
        ('approval', 'pending', 'superseded'),
        ('approval', 'approved', 'consumed'), ('approval', 'approved', 'lapsed'),
        ('run', 'queued', 'running'), ('run', 'queued', 'ended'),
        ('run', 'running', 'waiting'), ('run', 'running', 'queued'), ('run', 'running', 'ended'),
        ('run', 'waiting', 'queued'), ('run', 'waiting', 'ended'))
$$;

create function calls_guard() returns trigger language plpgsql as $$
declare
    given text;
begin
    if (tg_op = 'INSERT' or new.starts > old.starts) and exists (
        select from runs r
        where r.tenant_id = new.tenant_id and r.id = new.run_id and r.status = 'ended') then
        raise exception 'no call begins or starts in a run that has ended' using errcode = 'IL003';
    end if;
    if tg_op = 'INSERT' then
        if not lifecycle('call', 'proposed', new.state) then
            raise exception 'a call cannot begin as %', new.state using errcode = 'IL001';
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
create trigger calls_guard before insert or update on calls
    for each row execute function calls_guard();

create function approvals_guard() returns trigger language plpgsql as $$
declare
    agreeing integer;
begin
    if tg_op = 'INSERT' then
        if new.state <> 'pending' then
            raise exception 'an approval begins as pending' using errcode = 'IL001';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.kind, new.run_id, new.digest, new.headline, new.reason,
        new.reviewers, new.quorum, new.created_at)
       is distinct from
       (old.tenant_id, old.id, old.kind, old.run_id, old.digest, old.headline, old.reason,
        old.reviewers, old.quorum, old.created_at)
       or new.call_id is distinct from old.call_id
       or new.preview::text is distinct from old.preview::text
       or new.expires_at is distinct from old.expires_at then
        raise exception 'what is asked cannot change' using errcode = 'IL002';
    end if;
    if old.state <> 'pending'
       and ((new.closed_at, new.closed_by) is distinct from (old.closed_at, old.closed_by)
            or (new.state = old.state and new.close_reason is distinct from old.close_reason)) then
        raise exception 'who closed an approval cannot change' using errcode = 'IL002';
    end if;
    if new.state is distinct from old.state
       and not lifecycle('approval', old.state, new.state) then
        raise exception 'an approval cannot go from % to %', old.state, new.state
            using errcode = 'IL001';
    end if;
    if new.state = 'approved' and old.state = 'pending' then
        if new.expires_at is not null and new.expires_at <= clock_timestamp() then
            raise exception 'this approval expired' using errcode = 'IL004';
        end if;
        if exists (
            select from decisions d
            where d.tenant_id = new.tenant_id and d.approval_id = new.id
              and d.kind in ('reject', 'edit')) then
            raise exception 'somebody rejected or edited this' using errcode = 'IL003';
        end if;
        select count(distinct d.reviewer) into agreeing from decisions d
        where d.tenant_id = new.tenant_id and d.approval_id = new.id and d.digest = new.digest
          and (d.kind = 'approve' or (d.kind = 'answer' and new.kind <> 'call'));
        if agreeing < new.quorum then
            raise exception 'only % of % reviewers approved', agreeing, new.quorum
                using errcode = 'IL003';
        end if;
    end if;
    if new.state = 'rejected' and old.state = 'pending' and not exists (
        select from decisions d
        where d.tenant_id = new.tenant_id and d.approval_id = new.id and d.kind = 'reject') then
        raise exception 'nobody rejected this approval' using errcode = 'IL003';
    end if;
    if new.state = 'expired' and old.state = 'pending'
       and (new.expires_at is null or new.expires_at > clock_timestamp()) then
        raise exception 'this approval has not expired' using errcode = 'IL004';
    end if;
    return new;
end $$;
create trigger approvals_guard before insert or update on approvals
    for each row execute function approvals_guard();

create function runs_guard() returns trigger language plpgsql as $$
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
    if (new.tenant_id, new.id, new.agent, new.requested_by, new.created_at, new.request_digest,
        new.limit_steps, new.limit_calls, new.limit_seconds, new.limit_repeats)
       is distinct from
       (old.tenant_id, old.id, old.agent, old.requested_by, old.created_at, old.request_digest,
        old.limit_steps, old.limit_calls, old.limit_seconds, old.limit_repeats)
       or new.idempotency_key is distinct from old.idempotency_key
       or new.input::text is distinct from old.input::text
       or new.tags::text is distinct from old.tags::text then
        raise exception 'what was asked of a run cannot change' using errcode = 'IL002';
    end if;
    if old.status = 'ended'
       and ((new.exit, new.exit_reason, new.ended_at)
            is distinct from (old.exit, old.exit_reason, old.ended_at)
            or new.output::text is distinct from old.output::text) then
        raise exception 'how a run ended cannot change' using errcode = 'IL002';
    end if;
    return new;
end $$;
create trigger runs_guard before insert or update on runs
    for each row execute function runs_guard();

create function decisions_guard() returns trigger language plpgsql as $$
begin
    -- locked, so that it is still open when this decision commits
    perform from approvals a
    join reviewers r on r.tenant_id = a.tenant_id and r.name = new.reviewer
    where a.tenant_id = new.tenant_id and a.id = new.approval_id and a.state = 'pending'
      and (a.expires_at is null or a.expires_at > clock_timestamp())
      and r.disabled_at is null and r.groups && a.reviewers
    for share of a;
    if not found then
        raise exception 'this approval is not open to this reviewer' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger decisions_guard before insert on decisions
    for each row execute function decisions_guard();

-- A reviewer is shown the call as it is stored, and no call waits for an answer that was given --

create function asked_of_its_call() returns trigger language plpgsql as $$
begin
    if not exists (
        select from calls c
        where c.tenant_id = new.tenant_id and c.id = new.call_id and c.run_id = new.run_id
          and c.digest = new.digest and (new.kind <> 'call' or c.approval_id = new.id)) then
        raise exception 'approval % does not show the call that it names', new.id
            using errcode = 'IL003';
    end if;
    return null;
end $$;
create constraint trigger asked_of_its_call after insert on approvals
    deferrable initially deferred for each row when (new.call_id is not null)
    execute function asked_of_its_call();

create function waits_for_a_decision() returns trigger language plpgsql as $$
declare
    call uuid;
begin
    if tg_table_name = 'calls' then
        call := new.id;
    else
        call := new.call_id;
    end if;
    if exists (
        select from calls c
        left join approvals a on a.tenant_id = c.tenant_id and a.id = c.approval_id
        where c.tenant_id = new.tenant_id and c.id = call
          and c.state = 'waiting' and a.state is distinct from 'pending') then
        raise exception 'a call waits although its approval is not pending' using errcode = 'IL003';
    end if;
    return null;
end $$;
create constraint trigger waits_for_a_decision after insert on calls
    deferrable initially deferred for each row when (new.state = 'waiting')
    execute function waits_for_a_decision();
create constraint trigger waits_again_for_a_decision after update on calls
    deferrable initially deferred for each row
    when (new.state = 'waiting' and old.state <> 'waiting')
    execute function waits_for_a_decision();
create constraint trigger waits_for_a_decision after update on approvals
    deferrable initially deferred for each row
    when (old.state = 'pending' and new.state <> 'pending' and new.kind = 'call')
    execute function waits_for_a_decision();

-- Append-only ---------------------------------------------------------------------------------

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% refused on %: its rows stay as they are', tg_op, tg_table_name
        using errcode = 'IL005';
end $$;
create trigger append_only before update or delete on audit_log
    for each row execute function refuse_change();
create trigger no_truncate before truncate on audit_log execute function refuse_change();
create trigger append_only before update or delete on decisions
    for each row execute function refuse_change();
create trigger no_truncate before truncate on decisions execute function refuse_change();
create trigger append_only before update or delete on policies
    for each row execute function refuse_change();
create trigger no_truncate before truncate on policies execute function refuse_change();
create trigger no_delete before delete on calls for each row execute function refuse_change();
create trigger no_truncate before truncate on calls execute function refuse_change();
create trigger no_delete before delete on approvals for each row execute function refuse_change();
create trigger no_truncate before truncate on approvals execute function refuse_change();
create trigger no_delete before delete on runs for each row execute function refuse_change();
create trigger no_truncate before truncate on runs execute function refuse_change();

-- Every transition and its audit entry commit together ------------------------------------------

create function require_audit() returns trigger language plpgsql as $$
declare
    reached text;
begin
    if tg_table_name = 'runs' then
        reached := new.status;
    else
        reached := new.state;
    end if;
    if not exists (
        select from audit_log l
        where l.tenant_id = new.tenant_id and l.subject = new.id and l.state = reached
          and l.xact = pg_current_xact_id()) then
        raise exception '% % became % without an audit entry', tg_table_name, new.id, reached
            using errcode = 'IL006';
    end if;
    return null;
end $$;
create constraint trigger audited_birth after insert on calls
    deferrable initially deferred for each row execute function require_audit();
create constraint trigger audited after update on calls
    deferrable initially deferred for each row
    when (new.state is distinct from old.state or new.starts is distinct from old.starts)
    execute function require_audit();
create constraint trigger audited_birth after insert on approvals
    deferrable initially deferred for each row execute function require_audit();
create constraint trigger audited after update on approvals
    deferrable initially deferred for each row when (new.state is distinct from old.state)
    execute function require_audit();
create constraint trigger audited_birth after insert on runs
    deferrable initially deferred for each row execute function require_audit();
create constraint trigger audited after update on runs
    deferrable initially deferred for each row when (new.status is distinct from old.status)
    execute function require_audit();

create function require_decision_audit() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals a
        join audit_log l on l.tenant_id = a.tenant_id and l.run_id = a.run_id
        where a.tenant_id = new.tenant_id and a.id = new.approval_id and l.approval_id = a.id
          and l.event = 'decision.recorded' and l.actor = 'reviewer:' || new.reviewer
          and l.xact = pg_current_xact_id()) then
        raise exception 'the decision of % has no audit entry', new.reviewer using errcode = 'IL006';
    end if;
    return null;
end $$;
create constraint trigger audited_birth after insert on decisions
    deferrable initially deferred for each row execute function require_decision_audit();

-- When an entry was written, and by which transaction, is not for its writer to say
create function stamp() returns trigger language plpgsql as $$
begin
    new.at := clock_timestamp();
    new.xact := pg_current_xact_id();
    return new;
end $$;
create trigger stamp before insert on audit_log for each row execute function stamp();

-- An audited transaction is on disk before it is acknowledged, whatever the session's setting
create function commit_synchronously() returns trigger language plpgsql as $$
begin
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    return null;
end $$;
create trigger commit_synchronously before insert on audit_log
    for each statement execute function commit_synchronously();
