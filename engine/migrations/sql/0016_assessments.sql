-- How sure a stage was of what it said, what its run went on with in its place, and a person's word that
-- it was wrong. What became of it is not stored: the view below tells it from the run's calls.

create table assessments (
    tenant_id    text not null,
    id           uuid not null, -- in the order of calls
    run_id       uuid not null,
    ns           text not null, -- of the graph that the stage is a node of
    task_id      text not null,
    stage        text not null,
    ordinal      integer not null, -- among those of the stage in its task
    confidence   double precision not null
                 constraint confidence_is_a_share check (confidence between 0 and 1),
    value_digest bytea not null,
    stated_at    timestamptz not null default clock_timestamp(),
    taken_digest bytea, -- of what the run went on with; null: with the value, and nobody looked at it
    taken_by     text,  -- the person whose answer that was
    wrong_at     timestamptz,
    wrong_by     text,
    wrong_reason text,
    primary key (tenant_id, id),
    constraint assessment_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id),
    constraint stated_once unique (tenant_id, run_id, task_id, stage, ordinal),
    constraint taken_from_somebody check (taken_by is null or taken_digest is not null),
    constraint wrong_says_who check (
        num_nulls(wrong_at, wrong_by) in (0, 2) and (wrong_reason is null or wrong_at is not null))
);
create index assessments_recent on assessments (tenant_id, stated_at);

create function assessments_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.wrong_at is not null then
            raise exception 'an assessment begins unmarked' using errcode = 'IL001';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.run_id, new.ns, new.task_id, new.stage, new.ordinal, new.stated_at)
       is distinct from
       (old.tenant_id, old.id, old.run_id, old.ns, old.task_id, old.stage, old.ordinal, old.stated_at)
    then
        raise exception 'whose assessment it is cannot change' using errcode = 'IL002';
    end if;
    if (old.taken_digest is not null or old.wrong_at is not null)
       and (new.confidence, new.value_digest) is distinct from (old.confidence, old.value_digest) then
        raise exception 'what was stated cannot change once somebody said something of it'
            using errcode = 'IL002';
    end if;
    if old.taken_digest is not null
       and (new.taken_digest <> old.taken_digest or new.taken_digest is null
            or new.taken_by is distinct from old.taken_by) then
        raise exception 'what was gone on with cannot change' using errcode = 'IL002';
    end if;
    if old.wrong_at is not null
       and (new.wrong_at, new.wrong_by, new.wrong_reason) is distinct from
           (old.wrong_at, old.wrong_by, old.wrong_reason) then
        raise exception 'that it was wrong stays said' using errcode = 'IL002';
    end if;
    if old.wrong_at is null and new.wrong_at is not null and not exists (
        select from reviewers r
        where r.tenant_id = new.tenant_id and r.name = new.wrong_by and r.disabled_at is null) then
        raise exception 'that it was wrong is said by somebody with an account' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger assessments_guard before insert or update on assessments
    for each row execute function assessments_guard();
create trigger no_delete before delete on assessments for each row execute function refuse_change();
create trigger no_truncate before truncate on assessments execute function refuse_change();

create function require_mark_audit() returns trigger language plpgsql as $$
begin
    if not exists (
        select from audit_log l
        where l.tenant_id = new.tenant_id and l.subject = new.id and l.state = 'wrong'
          and l.actor = 'reviewer:' || new.wrong_by and l.xact = pg_current_xact_id()) then
        raise exception 'assessment % was marked as wrong without an audit entry', new.id
            using errcode = 'IL006';
    end if;
    return null;
end $$;
create constraint trigger audited after update on assessments
    deferrable initially deferred for each row when (new.wrong_at is distinct from old.wrong_at)
    execute function require_mark_audit();

-- A task that runs again before its step is stored states anew, and that counts
create function put_assessment(
    tenant text, run uuid, assessment uuid, graph_ns text, task text, of_stage text, number integer,
    stated double precision, value bytea, taken bytea, by_whom text)
returns text language plpgsql as $$
begin
    insert into assessments as a (
        tenant_id, id, run_id, ns, task_id, stage, ordinal, confidence, value_digest, taken_digest,
        taken_by)
    values (tenant, assessment, run, graph_ns, task, of_stage, number, stated, value, taken, by_whom)
    on conflict on constraint stated_once do update
    set confidence = excluded.confidence, value_digest = excluded.value_digest,
        taken_digest = excluded.taken_digest, taken_by = excluded.taken_by
    where a.taken_digest is null and a.wrong_at is null;
    return case when found then 'written' else 'known' end;
end $$;

-- What a graph went on with where these of its stages had stated something: of each the last time
create function take_assessments(
    tenant text, run uuid, graph_ns text, stages text[], taken bytea, by_whom text)
returns text language plpgsql as $$
begin
    update assessments a set taken_digest = taken, taken_by = by_whom
    where a.tenant_id = tenant and a.taken_digest is null and a.id in (
        select distinct on (s.stage) s.id from assessments s
        where s.tenant_id = tenant and s.run_id = run and s.ns = graph_ns and s.stage = any(stages)
        order by s.stage, s.id desc);
    return case when found then 'written' else 'known' end;
end $$;

-- What became of each assessment
create view assessed as
select a.tenant_id, a.id, a.run_id, r.agent, a.stage, a.confidence, a.stated_at, a.taken_by, a.wrong_at,
       a.wrong_by, a.wrong_reason,
       case
           when a.wrong_at is not null then 'wrong'
           when a.taken_digest <> a.value_digest and a.taken_by is null then 'unused'
           when a.taken_digest <> a.value_digest then 'rejected'
           when later.undone then 'undone'
           when later.rejected then 'rejected'
           when later.approved or a.taken_by is not null then 'approved'
           else 'open'
       end as outcome
from assessments a
join runs r on r.tenant_id = a.tenant_id and r.id = a.run_id
cross join lateral (
    select bool_or(c.state = 'undone') as undone,
           bool_or(p.kind = 'call' and p.state = 'rejected') as rejected,
           bool_or(p.kind = 'call' and p.state in ('approved', 'consumed')) as approved
    from calls c
    left join approvals p on p.tenant_id = c.tenant_id and p.id = c.approval_id
    where c.tenant_id = a.tenant_id and c.run_id = a.run_id and c.id > a.id) later;
