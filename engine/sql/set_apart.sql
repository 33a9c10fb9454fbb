select s.person, min(s.duty) as duty from approvals a cross join lateral set_apart(a) s
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s
group by s.person
order by s.person
