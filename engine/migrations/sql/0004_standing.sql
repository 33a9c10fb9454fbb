-- An approval stands only while what it was given for does: it has a window, and its call a
-- fingerprint of its target. And when doubt can be settled: a start has a moment before which it may
-- still be sent, and a key a moment from which its service may have forgotten it.

alter table approvals
    add column use_within interval not null default '24 hours'
        constraint window_is_some_time check (use_within > interval '0'),
    add column changes json, -- of an approval that is asked for again: what is not as it was
    add constraint doubt_never_expires check (kind <> 'in_doubt' or expires_at is null);

alter table calls
    add column fingerprint bytea, -- the target's state when the call was proposed, as canonical JSON
    add column send_within interval not null default '60 seconds'
        constraint sending_takes_some_time check (send_within > interval '0'),
    add column key_life interval
        constraint key_lives_some_time check (key_life > interval '0'),
    add column send_before timestamptz,
    add column key_until timestamptz,
    add column verified boolean not null default false;
update calls set key_life = interval '1 hour' where recovery = 'same_key';
update calls set send_before = started_at + send_within, key_until = started_at + key_life
where starts > 0;
set constraints all immediate; -- a table with checks to come cannot be altered
alter table calls
    add constraint key_has_a_life check ((recovery = 'same_key') = (key_life is not null)),
    add constraint start_has_its_times check (
        (starts > 0) = (send_before is not null)
        and (starts > 0 and key_life is not null) = (key_until is not null)),
    add constraint verified_is_not_attested check (not verified or attested_by is null);

-- The times of a start are the database's to say, as the time of an audit entry is
create function calls_times_guard() returns trigger language plpgsql as $$
declare
    given text;
begin
    if tg_op = 'INSERT' then
        if new.verified then
            raise exception 'nothing can have verified a call that begins' using errcode = 'IL002';
        end if;
        if new.starts > 0 then
            new.send_before := clock_timestamp() + new.send_within;
            new.key_until := clock_timestamp() + new.key_life;
        end if;
        return new;
    end if;
    if (new.fingerprint, new.send_within, new.key_life)
       is distinct from (old.fingerprint, old.send_within, old.key_life) then
        raise exception 'what a call was measured by cannot change' using errcode = 'IL002';
    end if;
    if new.starts > old.starts then
        if old.key_until <= clock_timestamp() then
            raise exception 'the key of this call may be forgotten' using errcode = 'IL004';
        end if;
        new.send_before := clock_timestamp() + new.send_within;
        new.key_until := coalesce(old.key_until, clock_timestamp() + new.key_life);
    elsif (new.send_before, new.key_until) is distinct from (old.send_before, old.key_until) then
        raise exception 'a start keeps its times' using errcode = 'IL002';
    end if;
    if new.verified is distinct from old.verified
       and not (old.state in ('executing', 'in_doubt') and new.state in ('succeeded', 'failed')) then
        raise exception 'only an open outcome can be verified' using errcode = 'IL002';
    end if;
    -- whoever started it knows that nothing was sent; anybody else has to wait until nothing can be
    if old.state in ('executing', 'in_doubt') and new.state = 'failed'
       and (new.verified or new.attested_by is not null)
       and new.send_before > clock_timestamp() then
        raise exception 'this call may still be sent' using errcode = 'IL004';
    end if;
    if old.state = 'approved' and new.state in ('superseded', 'cancelled') then
        select a.state into given from approvals a
        where a.tenant_id = new.tenant_id and a.id = new.approval_id;
        if given is distinct from 'lapsed' then
            raise exception 'a call cannot leave an approval that is %', given
                using errcode = 'IL003';
        end if;
    end if;
    return new;
end $$;
create trigger calls_times_guard before insert or update on calls
    for each row execute function calls_times_guard();

create function approvals_times_guard() returns trigger language plpgsql as $$
begin
    if new.use_within is distinct from old.use_within
       or new.changes::text is distinct from old.changes::text then
        raise exception 'for how long and why anew is asked cannot change' using errcode = 'IL002';
    end if;
    if new.kind = 'call' and new.state = 'consumed' and old.state = 'approved'
       and old.closed_at + old.use_within <= clock_timestamp() then
        raise exception 'this approval is older than its window' using errcode = 'IL004';
    end if;
    return new;
end $$;
create trigger approvals_times_guard before update on approvals
    for each row execute function approvals_times_guard();

-- No call stays approved whose approval does not
create function stands_on_its_approval() returns trigger language plpgsql as $$
begin
    if exists (
        select from calls c
        where c.tenant_id = new.tenant_id and c.approval_id = new.id and c.state = 'approved') then
        raise exception 'a call is approved although its approval is not any more'
            using errcode = 'IL003';
    end if;
    return null;
end $$;
create constraint trigger stands_on_its_approval after update on approvals
    deferrable initially deferred for each row
    when (old.state = 'approved' and new.state <> 'approved' and new.kind = 'call')
    execute function stands_on_its_approval();

-- As in 0002, with what a start may take
drop function write_call;
create function write_call(
    tenant text, run uuid, call uuid, call_key bytea, call_revision integer, call_ns text, task text,
    call_tool_call_id text, call_tool text, version text, call_args bytea, call_digest bytea, call_effect text,
    call_source text, call_rule text, call_evidence json, policy text, call_policies text[],
    call_reason text, call_recovery text, call_send_within interval, call_key_life interval,
    new_state text, token uuid, took interval,
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
        digest, effect, source, rule, evidence, verdict, policy_digest, policies, reason, recovery,
        send_within, key_life, state, proposed_at, starts, start_token, started_at, finished_at,
        result_type, result, error)
    values (
        tenant, call, run, call_key, call_revision, call_ns, task, call_tool_call_id, call_tool,
        version, call_args, call_digest, call_effect, call_source, call_rule, call_evidence, 'allow', policy,
        call_policies, call_reason, call_recovery, call_send_within, call_key_life, new_state,
        now - took, 1, token, now - took, case when new_state <> 'executing' then now end,
        call_result_type, call_result, call_error)
    on conflict do nothing;
    if not found then
        perform from calls c where c.tenant_id = tenant and c.id = call and c.start_token = token;
        return case when found then 'written' else 'known' end;
    end if;
    insert into audit_log (tenant_id, event, actor, run_id, call_id, subject, state, entry)
    values (tenant, event, actor, run, call, call, new_state, entry);
    return 'written';
end $$;
