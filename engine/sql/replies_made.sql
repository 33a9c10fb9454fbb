select id, ns, key, ordinal, content from replies
where tenant_id = %(tenant)s and run_id = %(run_id)s and content is not null
order by key, ordinal
