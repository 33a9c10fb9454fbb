select fingerprint, limits from agents
where tenant_id = %(tenant)s and name = %(agent)s
order by seen_at desc
limit 1
