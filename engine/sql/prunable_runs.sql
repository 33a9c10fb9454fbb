-- Runs that ended long enough ago and have more checkpoints than are to be kept
select r.id from runs r
where r.tenant_id = %(tenant)s and r.status = 'ended' and r.exit = any(%(exits)s)
  and r.ended_at < clock_timestamp() - make_interval(secs => %(seconds)s::float8)
  and (select count(*) - case when %(keep_latest)s then count(distinct ns) else 0 end from steps s
       where s.tenant_id = r.tenant_id and s.run_id = r.id) > 0
  and not exists ( -- it may go on from where it was
      select from approvals a
      where a.tenant_id = r.tenant_id and a.run_id = r.id and a.kind = 'limit'
        and a.state = 'pending')
order by r.ended_at
