-- Approvals that wait for a person, and for how long the first of them does
select kind, count(*) as n, extract(epoch from clock_timestamp() - min(created_at)) as seconds
from approvals
where tenant_id = %(tenant)s and state = 'pending'
group by kind
