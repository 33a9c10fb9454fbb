-- What else of a call its policy was shown: the time, where it sends to, what of it is untrusted, what
-- its run did before it, and the tags. With it, and with the policy's text, a verdict can be explained,
-- and the call can be judged by another policy. Null: the policy was not asked.

alter table calls add column context json;
create trigger context_is_fixed before update of context on calls
    for each row when (new.context::text is distinct from old.context::text)
    execute function refuse_change();

-- As in 0004, with the context
drop function write_call;
create function write_call(
    tenant text, run uuid, call uuid, call_key bytea, call_revision integer, call_ns text, task text,
    call_tool_call_id text, call_tool text, version text, call_args bytea, call_digest bytea, call_effect text,
    call_source text, call_rule text, call_evidence json, call_context json, policy text, call_policies text[],
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
        digest, effect, source, rule, evidence, context, verdict, policy_digest, policies, reason,
        recovery, send_within, key_life, state, proposed_at, starts, start_token, started_at, finished_at,
        result_type, result, error)
    values (
        tenant, call, run, call_key, call_revision, call_ns, task, call_tool_call_id, call_tool,
        version, call_args, call_digest, call_effect, call_source, call_rule, call_evidence, call_context,
        'allow', policy, call_policies, call_reason, call_recovery, call_send_within, call_key_life, new_state,
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
