-- How many of the run's calls were rejected since people last decided otherwise about one
select count(*) from approvals a
where a.tenant_id = %(tenant)s and a.run_id = %(run_id)s and a.kind = 'call' and a.state = 'rejected'
  and not exists (
      select from approvals b
      where b.tenant_id = a.tenant_id and b.run_id = a.run_id and b.kind = 'call'
        and b.state in ('approved', 'consumed', 'superseded', 'lapsed') and b.closed_at > a.closed_at)
