-- The terms of an approval: how many approvals each group must give, who is asked after a while, who
-- does not count, and what an approval is given with. And whose approval counts: of people who may
-- decide it now, whatever they were when they decided.

alter table approvals
    add column each jsonb not null default '{}' -- group: how many of the approvals it must give
        -- every set of them is looked at, as a number's bits
        constraint each_of_few_groups check (
            jsonb_array_length(jsonb_path_query_array(each, '$.keyvalue()')) <= 8),
    add column escalation jsonb not null default '{}', -- group: seconds after which it is asked too
    add column separation text[] not null default '{}'
        constraint separation_is_known check (separation <@ array['requester', 'editor']),
    add column needs_reason boolean not null default false,
    add column confirm text -- what an approval is confirmed with
        constraint confirm_is_some_text check (confirm <> '');
alter table decisions add column confirmed text;

-- The groups that may decide by now
create function asked_groups(asked approvals) returns text[] language sql as $$
    select asked.reviewers || array(
        select e.key from jsonb_each_text(asked.escalation) e
        where asked.created_at + make_interval(secs => e.value::float8) <= clock_timestamp())
$$;

-- Whose approval does not count, and why: who asked for it, and, where more than one person must see
-- a call, who edited it
create function set_apart(asked approvals) returns table (person text, duty text)
language sql as $$
    select lower(substr(by.who, strpos(by.who, ':') + 1)), 'requester'
    from (
        select r.requested_by from runs r
        where asked.kind <> 'rollback' and r.tenant_id = asked.tenant_id and r.id = asked.run_id
        union all
        select r.requested_by from rollbacks r
        where asked.kind = 'rollback' and r.tenant_id = asked.tenant_id
          and r.approval_id = asked.id) by (who)
    where 'requester' = any (asked.separation)
    union all
    select d.reviewer, 'editor'
    from calls c
    join calls before on before.tenant_id = c.tenant_id and before.run_id = c.run_id
                     and before.key = c.key and before.revision < c.revision
    join decisions d on d.tenant_id = before.tenant_id and d.approval_id = before.approval_id
    where c.tenant_id = asked.tenant_id and c.id = asked.call_id and d.kind = 'edit'
      and (asked.quorum > 1 or cardinality(asked.separation) > 0)
$$;

-- Why an approval of this person does not count now; null if it does
create function not_counted(asked approvals, person text) returns text language sql as $$
    select coalesce(
        (select case when r.disabled_at is not null then 'disabled'
                     when not r.groups && asked_groups(asked) then 'not_asked' end
         from reviewers r where r.tenant_id = asked.tenant_id and r.name = person),
        (select min(s.duty) from set_apart(asked) s where s.person = not_counted.person))
$$;

-- How many approvals are missing at least. For each set of groups, whoever is in none of them cannot
-- fill their places, and nobody fills two; the largest gap is what is missing (Hall, König)
create function still_missing(asked approvals) returns integer language sql as $$
    with voices as (
        select distinct r.name, r.groups
        from decisions d join reviewers r on r.tenant_id = d.tenant_id and r.name = d.reviewer
        where d.tenant_id = asked.tenant_id and d.approval_id = asked.id and d.digest = asked.digest
          and (d.kind = 'approve' or (d.kind = 'answer' and asked.kind <> 'call'))
          and not_counted(asked, d.reviewer) is null),
    places as (
        select e.key as group_name, e.value::integer as needed,
               1 << (row_number() over () - 1)::integer as bit
        from jsonb_each_text(asked.each) e)
    select greatest(0, asked.quorum - (select count(*) from voices), (
        select max((select sum(p.needed) from places p where p.bit & s.bits > 0)
                   - (select count(*) from voices v
                      where exists (select from places p
                                    where p.bit & s.bits > 0 and p.group_name = any (v.groups))))
        from generate_series(1, (1 << (select count(*) from places)::integer) - 1) s (bits)
    ))::integer
$$;

create function approvals_terms_guard() returns trigger language plpgsql as $$
begin
    if (new.each, new.escalation, new.separation, new.needs_reason)
       is distinct from (old.each, old.escalation, old.separation, old.needs_reason)
       or new.confirm is distinct from old.confirm then
        raise exception 'the terms of an approval cannot change' using errcode = 'IL002';
    end if;
    if new.state = 'approved' and old.state = 'pending' and still_missing(new) > 0 then
        raise exception '% of % approvals that count are missing', still_missing(new), new.quorum
            using errcode = 'IL003';
    end if;
    if new.state = 'consumed' and old.state = 'approved' and still_missing(new) > 0 then
        raise exception 'not all who approved this may decide it any more' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger approvals_terms_guard before update on approvals
    for each row execute function approvals_terms_guard();

create function decisions_terms_guard() returns trigger language plpgsql as $$
declare
    asked approvals;
begin
    if new.kind <> 'approve' then
        return new;
    end if;
    select * into asked from approvals a
    where a.tenant_id = new.tenant_id and a.id = new.approval_id;
    if exists (select from set_apart(asked) s where s.person = new.reviewer) then
        raise exception 'whoever asked for this or edited it cannot approve it'
            using errcode = 'IL003';
    end if;
    if asked.needs_reason and coalesce(new.reason, '') !~ '\S' then
        raise exception 'an approval of this needs a reason' using errcode = 'IL003';
    end if;
    if asked.confirm is not null and new.confirmed is distinct from asked.confirm then
        raise exception 'an approval of this is confirmed by typing' using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger decisions_terms_guard before insert on decisions
    for each row execute function decisions_terms_guard();

-- As before, with the groups that are asked by now
create or replace function decisions_guard() returns trigger language plpgsql as $$
begin
    -- locked, so that it is still open when this decision commits
    perform from approvals a
    join reviewers r on r.tenant_id = a.tenant_id and r.name = new.reviewer
    where a.tenant_id = new.tenant_id and a.id = new.approval_id and a.state = 'pending'
      and (a.expires_at is null or a.expires_at > clock_timestamp())
      and r.disabled_at is null and r.groups && asked_groups(a)
    for share of a;
    if not found then
        raise exception 'this approval is not open to this reviewer' using errcode = 'IL003';
    end if;
    return new;
end $$;

-- As before; approvals_terms_guard counts
create or replace function approvals_guard() returns trigger language plpgsql as $$
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

-- What nobody can undo after it was undone takes a second person than the one who asked for it
create function undos_terms_guard() returns trigger language plpgsql as $$
begin
    if new.effect = 'irreversible' and not exists (
        select from rollbacks r
        join approvals a on a.tenant_id = r.tenant_id and a.id = r.approval_id
        where r.tenant_id = new.tenant_id and r.id = new.rollback_id
          and 'requester' = any (a.separation)) then
        raise exception 'an undo that cannot be undone takes a second person'
            using errcode = 'IL003';
    end if;
    return new;
end $$;
create trigger undos_terms_guard before insert on undos
    for each row execute function undos_terms_guard();
