-- Of these approvals, those that can be decided together with the one
select b.id from approvals a
join approvals b on b.tenant_id = a.tenant_id and alike(a, b)
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s and b.id = any(%(others)s)
