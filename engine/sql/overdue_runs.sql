-- Runs that wait for a person and have been there for as long as they may
select tenant_id, id, agent, epoch, limit_wall_seconds from runs
where status = 'waiting' and due_by <= clock_timestamp()
order by due_by
limit 100
