insert into runs (tenant_id, id, agent, fingerprint, input, tags, requested_by, idempotency_key,
                  request_digest, limit_steps, limit_calls, limit_irreversible, limit_seconds,
                  limit_wall_seconds, limit_repeats, limit_pending, limit_tokens_in,
                  limit_tokens_out, limit_cost_usd)
values (%(tenant)s, %(id)s, %(agent)s, %(fingerprint)s, %(input)s, %(tags)s, %(requested_by)s,
        %(idempotency_key)s, %(request_digest)s, %(steps)s, %(calls)s, %(irreversible)s, %(seconds)s,
        %(wall_seconds)s, %(repeats)s, %(pending)s, %(tokens_in)s, %(tokens_out)s, %(cost_usd)s)
on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing
