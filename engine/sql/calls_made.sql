select distinct key, sha256(tool::bytea || '\x00'::bytea || args) as sameness from calls
where tenant_id = %(tenant)s and run_id = %(run_id)s
