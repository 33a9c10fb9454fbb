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
