select count(distinct key) from calls
where tenant_id = %(tenant)s and run_id = %(run_id)s
  and sameness = sha256(%(tool)s::text::bytea || '\x00'::bytea || %(args)s::bytea)
