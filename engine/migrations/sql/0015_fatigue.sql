-- Fewer interruptions. Identical calls of one run can be decided together where the policy lets them:
-- each approval still takes a decision of its own.

alter table approvals
    add column together boolean not null default false,
    -- who types what a call is about looks at that one
    add constraint typed_one_by_one check (not (together and confirm is not null));
create trigger together_is_fixed before update of together on approvals
    for each row when (new.together is distinct from old.together)
    execute function refuse_change();

-- The approval that the reviewer looked at, where it was that of another, identical call
alter table decisions
    add column beside uuid,
    add foreign key (tenant_id, beside) references approvals (tenant_id, id);

-- Whether two approvals show the same in all but the call's place in its run
create function alike(one approvals, other approvals) returns boolean language sql stable as $$
    select one.together and other.together and one.kind = 'call' and other.kind = 'call'
       and one.id <> other.id
       and (one.tenant_id, one.run_id, one.headline, one.reason, one.reviewers, one.quorum, one.each,
            one.escalation, one.separation, one.needs_reason)
         = (other.tenant_id, other.run_id, other.headline, other.reason, other.reviewers,
            other.quorum, other.each, other.escalation, other.separation, other.needs_reason)
       and one.preview::text is not distinct from other.preview::text
       and one.changes is null and other.changes is null
       and exists (
           select from calls c, calls d
           where c.tenant_id = one.tenant_id and c.id = one.call_id
             and d.tenant_id = other.tenant_id and d.id = other.call_id
             and c.revision = 1 and d.revision = 1
             and (c.tool, c.tool_version, c.args, c.effect, c.source, c.rule, c.evidence::text,
                  c.policy_digest, c.policies)
               = (d.tool, d.tool_version, d.args, d.effect, d.source, d.rule, d.evidence::text,
                  d.policy_digest, d.policies)
             and c.fingerprint is not distinct from d.fingerprint)
$$;

-- The open approvals that can be decided together with this one
create function alike_to(asked approvals) returns json language sql stable as $$
    select coalesce(json_agg(json_build_object(
        'approval_id', a.id, 'digest', encode(a.digest, 'hex')) order by a.id), '[]')
    from approvals a
    where asked.together and asked.state = 'pending'
      and a.tenant_id = asked.tenant_id and a.run_id = asked.run_id and a.state = 'pending'
      and (a.expires_at is null or a.expires_at > clock_timestamp()) and alike(asked, a)
$$;

create function decisions_beside_guard() returns trigger language plpgsql as $$
begin
    if new.kind not in ('approve', 'reject') or not exists (
        select from approvals a
        join approvals b on b.tenant_id = a.tenant_id and b.id = new.beside
        join decisions d on d.tenant_id = b.tenant_id and d.approval_id = b.id
        where a.tenant_id = new.tenant_id and a.id = new.approval_id and alike(a, b)
          and (d.reviewer, d.kind) = (new.reviewer, new.kind)) then
        raise exception 'a decision reaches no further than to identical calls'
            using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger decisions_beside_guard before insert on decisions
    for each row when (new.beside is not null) execute function decisions_beside_guard();

-- A cap on the calls and questions of all runs of an agent that wait for people at the same time. A run
-- that comes to one more is queued, wants room, and is taken up when there is some.
alter table agents
    add column most_pending integer constraint most_pending_is_some check (most_pending > 0);
alter table runs add column wants_room boolean not null default false;
create index runs_wanting_room on runs (tenant_id, agent, id)
    where wants_room and status = 'queued';

-- Whether one more may be put to people. Nobody else puts or closes any, until the transaction's end
create function has_room(tenant text, run uuid) returns boolean language plpgsql as $$
declare
    named text;
    most integer;
begin
    select r.agent, g.most_pending into named, most
    from runs r
    join agents g on g.tenant_id = r.tenant_id and g.name = r.agent and g.fingerprint = r.fingerprint
    where r.tenant_id = tenant and r.id = run;
    if most is null then
        return true;
    end if;
    perform lock_room(tenant, named);
    return most > (
        select count(*) from approvals a
        join runs r on r.tenant_id = a.tenant_id and r.id = a.run_id
        where a.tenant_id = tenant and a.state = 'pending'
          and a.kind in ('call', 'question', 'conflict') and r.agent = named);
end $$;

create function lock_room(tenant text, agent text) returns void language sql as $$
    select pg_advisory_xact_lock(hashtextextended(tenant || '/' || agent, 15))
$$;

create function approvals_room_guard() returns trigger language plpgsql as $$
begin
    if not has_room(new.tenant_id, new.run_id) then
        raise exception 'this agent has as many calls that wait for people as it may'
            using errcode = 'IL008';
    end if;
    return new;
end $$;
create trigger approvals_room_guard before insert on approvals
    for each row when (new.kind in ('call', 'question', 'conflict'))
    execute function approvals_room_guard();

-- The run that waited longest takes the place that was left. Locked last, after the rows of the run
create function makes_room() returns trigger language plpgsql as $$
declare
    named text := (select r.agent from runs r
                   where r.tenant_id = new.tenant_id and r.id = new.run_id);
begin
    if exists (select from agents g
               where g.tenant_id = new.tenant_id and g.name = named
                 and g.most_pending is not null) then
        perform lock_room(new.tenant_id, named);
        update runs set not_before = clock_timestamp()
        where tenant_id = new.tenant_id and id = (
            select r.id from runs r
            where r.tenant_id = new.tenant_id and r.agent = named and r.wants_room
              and r.status = 'queued' and r.not_before > clock_timestamp()
            order by r.id
            limit 1
            for update skip locked);
    end if;
    return null;
end $$;
create trigger makes_room after update on approvals
    for each row when (old.state = 'pending' and new.state <> 'pending'
                       and new.kind in ('call', 'question', 'conflict'))
    execute function makes_room();
