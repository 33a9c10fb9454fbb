-- What keeps this reviewer's approval from counting, if anything does
select min(s.duty) from approvals a cross join lateral set_apart(a) s
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s and s.person = %(reviewer)s
