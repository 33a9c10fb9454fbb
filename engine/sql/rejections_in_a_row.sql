-- How often the run's calls were rejected since people last decided otherwise about one; calls that
-- were rejected together count once
select count(distinct coalesce(d.beside, a.id)) from approvals a
left join decisions d on d.tenant_id = a.tenant_id and d.approval_id = a.id and d.kind = 'reject'
where a.tenant_id = %(tenant)s and a.run_id = %(run_id)s and a.kind = 'call' and a.state = 'rejected'
  and not exists (
      select from approvals b
      where b.tenant_id = a.tenant_id and b.run_id = a.run_id and b.kind = 'call'
        and b.state in ('approved', 'consumed', 'superseded', 'lapsed') and b.closed_at > a.closed_at)
