insert into tenant_limits (tenant_id, usd_per_day, irreversible_per_day, set_by)
values (%(tenant)s, %(usd_per_day)s, %(irreversible_per_day)s, %(by)s)
on conflict (tenant_id) do update
set usd_per_day = excluded.usd_per_day, irreversible_per_day = excluded.irreversible_per_day,
    set_by = excluded.set_by, set_at = clock_timestamp()
