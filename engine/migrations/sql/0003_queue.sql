-- A run ends in one statement, which many runs may share; and indexes that nothing needs are gone.

-- What a call is, a recall computes; newest runs first is the primary key, read backwards
drop index calls_sameness;
alter table calls drop column sameness;
drop index runs_recent;

-- The tenant first, so that no plan takes another way to the next run
drop index runs_queue;
create index runs_queue on runs (tenant_id, not_before) where status = 'queued';

-- The end of a run that left nothing open; `open` where it did, which its caller has to close first.
-- The row is locked before the look: what begins in this run holds a share of that lock. The same end
-- again, after a lost answer, is no second one
create function end_run(
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
    where a.tenant_id = tenant and a.run_id = run and a.kind <> 'in_doubt'
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

-- The entry is looked up by its subject whatever the statistics say: before a table is analysed the
-- planner may take the tenant for as good a key, and read the whole log for each transition
create or replace function require_audit() returns trigger language plpgsql as $$
declare
    reached text;
begin
    if tg_table_name = 'runs' then
        reached := new.status;
    else
        reached := new.state;
    end if;
    if not exists (
        select from (
            select l.tenant_id from audit_log l
            where l.subject = new.id and l.state = reached and l.xact = pg_current_xact_id()
            offset 0) entry
        where entry.tenant_id = new.tenant_id) then
        raise exception '% % became % without an audit entry', tg_table_name, new.id, reached
            using errcode = 'IL006';
    end if;
    return null;
end $$;
