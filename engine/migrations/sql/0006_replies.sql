-- Model replies. A row says for good what a reply cost. What it said is there only while its node may
-- run again: it goes as soon as a step holds what the node made of it.

create table replies (
    tenant_id          text not null,
    run_id             uuid not null,
    id                 uuid not null,
    model              text,
    provider           text,
    input_tokens       bigint, -- null where the provider did not say
    output_tokens      bigint,
    cache_read_tokens  bigint, -- of the input
    cache_write_tokens bigint, -- of the input
    reasoning_tokens   bigint, -- of the output
    ns                 text,    -- of the task that asked
    key                bytea,   -- the task and the prompt
    ordinal            integer, -- among equal prompts of the task
    content            bytea,
    created_at         timestamptz not null default clock_timestamp(),
    primary key (tenant_id, run_id, id),
    constraint reply_of_a_run foreign key (tenant_id, run_id) references runs (tenant_id, id),
    constraint reply_is_kept_whole check (num_nulls(ns, key, ordinal, content) in (0, 4)),
    constraint reply_tokens_are_counts check (
        least(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens) >= 0)
);
create unique index replies_kept on replies (tenant_id, run_id, key, ordinal) where content is not null;

create function replies_guard() returns trigger language plpgsql as $$
begin
    if (new.tenant_id, new.run_id, new.id, new.created_at) is distinct from
       (old.tenant_id, old.run_id, old.id, old.created_at)
       or (new.model, new.provider, new.input_tokens, new.output_tokens, new.cache_read_tokens,
           new.cache_write_tokens, new.reasoning_tokens) is distinct from
          (old.model, old.provider, old.input_tokens, old.output_tokens, old.cache_read_tokens,
           old.cache_write_tokens, old.reasoning_tokens) then
        raise exception 'what a reply cost cannot change' using errcode = 'IL002';
    end if;
    if new.content is not null and (new.ns, new.key, new.ordinal, new.content) is distinct from
                                   (old.ns, old.key, old.ordinal, old.content) then
        raise exception 'what a reply said can be forgotten, but not change' using errcode = 'IL002';
    end if;
    return new;
end $$;
create trigger replies_guard before update on replies
    for each row execute function replies_guard();

create function run_is_held(tenant text, run uuid, held bigint) returns boolean language sql stable as $$
    select exists (
        select from runs r
        where r.tenant_id = tenant and r.id = run and r.epoch = held and r.status = 'running')
$$;

-- What it cost is written whoever holds the run by now; what it said, by its executor alone: the next
-- one may have asked anew already, and acted on that
create function put_reply(
    tenant text, run uuid, held bigint, reply uuid, model text, provider text, input_tokens bigint,
    output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint,
    ns text, key bytea, ordinal integer, content bytea)
returns text language plpgsql as $$
declare
    is_kept boolean := content is not null and run_is_held(tenant, run, held);
begin
    insert into replies values (
        $1, $2, $4, $5, $6, $7, $8, $9, $10, $11, case when is_kept then $12 end,
        case when is_kept then $13 end, case when is_kept then $14 end, case when is_kept then $15 end)
    on conflict on constraint replies_pkey do nothing;
    return 'written';
end $$;

create function forget_replies(tenant text, run uuid, held bigint, ids uuid[])
returns text language plpgsql as $$
begin
    update replies r set ns = null, key = null, ordinal = null, content = null
    where r.tenant_id = tenant and r.run_id = run and r.id = any(ids) and r.content is not null
      and run_is_held(tenant, run, held);
    return 'written';
end $$;
