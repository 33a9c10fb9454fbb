delete from sessions
where hash = %(hash)s
returning tenant_id, reviewer
