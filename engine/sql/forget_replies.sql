-- What replies said goes with the run's steps; what they cost stays
update replies set ns = null, key = null, ordinal = null, content = null
where tenant_id = %(tenant)s and run_id = %(run_id)s and content is not null
