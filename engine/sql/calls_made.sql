-- The run's calls by key, in their order: whether any revision that a person was asked about could not
-- be undone, and whether it waits
select key, sha256(min(tool)::bytea || '\x00'::bytea || (array_agg(args order by revision))[1])
                as sameness,
       bool_or(effect = 'irreversible' and verdict = 'review') as irreversible, bool_or(state = 'waiting') as waits
from calls
where tenant_id = %(tenant)s and run_id = %(run_id)s
group by key
order by min(id::text)
