update runs
set want = want + 1,
    status = case status when 'waiting' then 'queued' else status end,
    not_before = case when status = 'waiting' or wants_room then clock_timestamp()
                      else not_before end
where tenant_id = %(tenant)s and id = %(run_id)s and status <> 'ended'
returning status, epoch
