-- Each agent as it was registered last
select distinct on (name) name, fingerprint from agents
where tenant_id = %(tenant)s
order by name, seen_at desc, fingerprint
