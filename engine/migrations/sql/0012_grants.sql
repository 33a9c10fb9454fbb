-- Grants: a person lets some calls of one tool run, within bounds and until a time, that would wait for
-- them otherwise. A grant is made from an approval that this person could give alone; a call uses it up
-- as it is born, and starts in the same transaction or not at all.

create table grants (
    tenant_id    text not null,
    id           uuid not null,
    approval_id  uuid not null, -- what its maker was shown, and on whose terms
    digest       bytea not null,
    tool         text not null,
    tool_version text not null,
    effect       text not null constraint effect_is_known
                 check (effect in ('read', 'reversible', 'irreversible')), -- the gravest it covers
    agent        text, -- null: any of the tenant
    run_id       uuid, -- null: any
    bounds       text not null constraint bounds_are_stated check (bounds ~ '\S'),
    most         integer not null constraint most_is_some check (most between 1 and 1000),
    uses         integer not null default 0,
    reason       text,
    granted_by   text not null,
    created_at   timestamptz not null default clock_timestamp(),
    expires_at   timestamptz not null,
    revoked_at   timestamptz,
    revoked_by   text,
    primary key (tenant_id, id),
    constraint uses_within_most check (uses between 0 and most),
    constraint grants_end check (expires_at <= created_at + interval '30 days'),
    constraint revoked_by_somebody check ((revoked_at is null) = (revoked_by is null)),
    constraint grant_binds_digest foreign key (tenant_id, approval_id, digest)
        references approvals (tenant_id, id, digest),
    constraint grant_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id),
    constraint granted_by_a_reviewer foreign key (tenant_id, granted_by)
        references reviewers (tenant_id, name),
    constraint revoked_by_a_reviewer foreign key (tenant_id, revoked_by)
        references reviewers (tenant_id, name)
);
create index grants_by_tool on grants (tenant_id, tool) where revoked_at is null;

set constraints all immediate; -- a table with checks to come cannot be altered
alter table calls
    add column grant_id uuid,
    add constraint call_of_a_grant foreign key (tenant_id, grant_id) references grants (tenant_id, id),
    add constraint granted_is_asked_once check (
        grant_id is null or (verdict = 'review' and approval_id is null and revision = 1)),
    drop constraint review_needs_decision,
    add constraint review_needs_decision check (
        not (verdict = 'review' and approval_id is null and grant_id is null
             and state in ('waiting', 'approved', 'executing', 'succeeded', 'failed', 'in_doubt',
                           'abandoned', 'undoing', 'undone', 'undo_failed'))),
    drop constraint verdict_fits_state,
    add constraint verdict_fits_state check (
        (verdict = 'forbid') = (state = 'forbidden')
        and (verdict = 'allow' or grant_id is not null or state <> 'allowed'));
create index calls_by_grant on calls (tenant_id, grant_id) where grant_id is not null;

create function gravity(effect text) returns integer language sql immutable parallel safe as $$
    select array_position(array['read', 'reversible', 'irreversible'], effect)
$$;

-- Whether a grant lets one more such call start now, as far as the database can tell: all but bounds,
-- and whether the policy asks for more by now
create function covers(given grants, run uuid, tool text, version text, effect text) returns boolean
language sql as $$
    select given.revoked_at is null and given.expires_at > clock_timestamp() and given.uses < given.most
       and (given.tool, given.tool_version) = (covers.tool, version)
       and gravity(covers.effect) <= gravity(given.effect)
       and exists (
           select from runs r
           join approvals a on a.tenant_id = r.tenant_id and a.id = given.approval_id
           where r.tenant_id = given.tenant_id and r.id = run
             and coalesce(given.run_id, r.id) = r.id and coalesce(given.agent, r.agent) = r.agent
             and not_counted(a, given.granted_by) is null
             and not ('requester' = any (a.separation)
                      and lower(substr(r.requested_by, strpos(r.requested_by, ':') + 1))
                          = given.granted_by))
$$;

create function grants_guard() returns trigger language plpgsql as $$
declare
    asked approvals;
begin
    if tg_op = 'INSERT' then
        if new.uses > 0 or new.revoked_at is not null then
            raise exception 'a grant begins unused and unrevoked' using errcode = 'IL001';
        end if;
        select * into asked from approvals a
        where a.tenant_id = new.tenant_id and a.id = new.approval_id for share;
        if asked.kind is distinct from 'call' or asked.state <> 'pending'
           or asked.expires_at <= clock_timestamp() then
            raise exception 'a grant is made from an approval that is open' using errcode = 'IL003';
        end if;
        if asked.quorum > 1 or asked.each <> '{}' or asked.confirm is not null then
            raise exception 'no grant stands for several people or a typed word'
                using errcode = 'IL003';
        end if;
        if not_counted(asked, new.granted_by) is not null then
            raise exception 'whoever may not approve this may not grant it' using errcode = 'IL003';
        end if;
        if asked.needs_reason and coalesce(new.reason, '') !~ '\S' then
            raise exception 'a grant of this needs a reason' using errcode = 'IL003';
        end if;
        if not exists (
            select from calls c join runs r on r.tenant_id = c.tenant_id and r.id = c.run_id
            where c.tenant_id = asked.tenant_id and c.id = asked.call_id
              and (c.tool, c.tool_version, c.effect) = (new.tool, new.tool_version, new.effect)
              and coalesce(new.agent, r.agent) = r.agent and coalesce(new.run_id, r.id) = r.id) then
            raise exception 'a grant covers calls like the one that was shown' using errcode = 'IL003';
        end if;
        return new;
    end if;
    if (new.tenant_id, new.id, new.approval_id, new.digest, new.tool, new.tool_version, new.effect,
        new.bounds, new.most, new.granted_by, new.created_at, new.expires_at)
       is distinct from
       (old.tenant_id, old.id, old.approval_id, old.digest, old.tool, old.tool_version, old.effect,
        old.bounds, old.most, old.granted_by, old.created_at, old.expires_at)
       or (new.agent, new.run_id, new.reason) is distinct from (old.agent, old.run_id, old.reason) then
        raise exception 'what was granted cannot change' using errcode = 'IL002';
    end if;
    if new.uses not in (old.uses, old.uses + 1) then
        raise exception 'uses are counted up one by one' using errcode = 'IL002';
    end if;
    if old.revoked_at is not null
       and (new.revoked_at, new.revoked_by) is distinct from (old.revoked_at, old.revoked_by) then
        raise exception 'a revoked grant stays revoked' using errcode = 'IL002';
    end if;
    if new.revoked_at is distinct from old.revoked_at and not exists (
        select from reviewers r
        where r.tenant_id = new.tenant_id and r.name = new.revoked_by and r.disabled_at is null) then
        raise exception 'a grant is revoked by somebody with an account' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger grants_guard before insert or update on grants
    for each row execute function grants_guard();

-- A call that a grant lets start uses it up, whoever writes it down
create function calls_grant_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if new.grant_id is distinct from old.grant_id then
            raise exception 'a call keeps its grant' using errcode = 'IL002';
        end if;
        return new;
    end if;
    if new.grant_id is null then
        return new;
    end if;
    if new.state <> 'allowed' then
        raise exception 'a call begins under a grant as allowed' using errcode = 'IL001';
    end if;
    update grants g set uses = g.uses + 1
    where g.tenant_id = new.tenant_id and g.id = new.grant_id
      and covers(g, new.run_id, new.tool, new.tool_version, new.effect);
    if not found then
        raise exception 'this grant does not cover this call' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger calls_grant_guard before insert or update on calls
    for each row execute function calls_grant_guard();

-- Nothing can happen between the use of a grant and the start: there is no between
create function starts_at_once() returns trigger language plpgsql as $$
begin
    if exists (
        select from calls c
        where c.tenant_id = new.tenant_id and c.id = new.id and c.state = 'allowed') then
        raise exception 'a call did not start with the use of its grant' using errcode = 'IL003';
    end if;
    return null;
end $$;
create constraint trigger starts_at_once after insert on calls
    deferrable initially deferred for each row when (new.grant_id is not null)
    execute function starts_at_once();

create function require_grant_audit() returns trigger language plpgsql as $$
declare
    reached text := 'granted';
begin
    if tg_op = 'UPDATE' then
        reached := case when new.uses > old.uses then 'used' else 'revoked' end;
    end if;
    if not exists (
        select from (
            select l.tenant_id from audit_log l
            where l.subject = new.id and l.state = reached and l.xact = pg_current_xact_id()
            offset 0) entry
        where entry.tenant_id = new.tenant_id) then
        raise exception 'grant % was % without an audit entry', new.id, reached
            using errcode = 'IL006';
    end if;
    return null;
end $$;
create constraint trigger audited_birth after insert on grants
    deferrable initially deferred for each row execute function require_grant_audit();
create constraint trigger audited after update on grants
    deferrable initially deferred for each row execute function require_grant_audit();
create trigger no_delete before delete on grants for each row execute function refuse_change();
create trigger no_truncate before truncate on grants execute function refuse_change();
