select a.id, a.stage, a.confidence, a.outcome, a.stated_at, a.taken_by, a.wrong_by, a.wrong_at,
       a.wrong_reason
from assessed a
where a.tenant_id = %(tenant)s and a.run_id = %(run_id)s
order by a.id
