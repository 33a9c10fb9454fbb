select d.reviewer, r.groups, not_counted(a, d.reviewer) as why_not, d.decided_at
from approvals a
join decisions d on d.tenant_id = a.tenant_id and d.approval_id = a.id and d.kind in ('approve', 'answer')
join reviewers r on r.tenant_id = d.tenant_id and r.name = d.reviewer
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
order by d.decided_at, d.id
