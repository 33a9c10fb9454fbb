select state, reviewers, quorum,
       extract(epoch from clock_timestamp() - closed_at)::float8 as age,
       extract(epoch from use_within)::float8 as use_within
from approvals
where tenant_id = %(tenant)s and id = %(approval_id)s
