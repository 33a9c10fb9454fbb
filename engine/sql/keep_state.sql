insert into states_before (tenant_id, run_id, call_id, digest)
values (%(tenant)s, %(run_id)s, %(call_id)s, %(digest)s)
on conflict (tenant_id, call_id) do update set digest = excluded.digest -- it had not started
