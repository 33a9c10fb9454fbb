select id, tool, result_type, result, error from calls
where tenant_id = %(tenant)s and run_id = %(run_id)s and tool = any(%(tools)s)
  and (result is not null or error is not null)
order by id
