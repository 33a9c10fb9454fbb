select count(*) from calls c
join runs r on r.tenant_id = c.tenant_id and r.id = c.run_id
where c.tenant_id = %(tenant)s and c.id > %(after)s and c.proposed_at >= %(since)s
  and (%(agent)s::text is null or r.agent = %(agent)s)
