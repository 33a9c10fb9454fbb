insert into tenant_breakers (tenant_id, usd_per_hour, reset_seconds, set_by)
values (%(tenant)s, %(usd_per_hour)s, %(reset_seconds)s, %(by)s)
on conflict (tenant_id) do update
set usd_per_hour = excluded.usd_per_hour, reset_seconds = excluded.reset_seconds,
    set_by = excluded.set_by, set_at = clock_timestamp()
