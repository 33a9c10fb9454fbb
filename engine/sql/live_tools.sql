-- What the live workers of an agent have, the version that the run is pinned to first
select a.fingerprint, a.tools from agents a
where a.tenant_id = %(tenant)s and a.name = %(agent)s and exists (
    select from workers w
    where w.lease_until > clock_timestamp() and a.fingerprint = any(w.fingerprints))
order by a.fingerprint = %(fingerprint)s desc, a.seen_at desc, a.fingerprint
