insert into agents (tenant_id, name, fingerprint, shape, policy_digest, tools, limits, fallback,
                    most_pending)
values (%(tenant)s, %(name)s, %(fingerprint)s, %(shape)s, %(policy_digest)s, %(tools)s, %(limits)s,
        %(fallback)s, %(most_pending)s)
on conflict (tenant_id, name, fingerprint) do update
set seen_at = clock_timestamp(), most_pending = excluded.most_pending
returning xmax = 0 as is_new
