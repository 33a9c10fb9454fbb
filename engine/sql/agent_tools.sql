select tools from agents
where tenant_id = %(tenant)s and name = %(agent)s and fingerprint = %(fingerprint)s
