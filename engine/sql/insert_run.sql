insert into runs (tenant_id, id, agent, fingerprint, input, tags, requested_by, idempotency_key,
                  request_digest, limit_steps, limit_calls, limit_seconds, limit_repeats)
values (%(tenant)s, %(id)s, %(agent)s, %(fingerprint)s, %(input)s, %(tags)s, %(requested_by)s,
        %(idempotency_key)s, %(request_digest)s, %(steps)s, %(calls)s, %(seconds)s, %(repeats)s)
on conflict (tenant_id, idempotency_key) where idempotency_key is not null do nothing
