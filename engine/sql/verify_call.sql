-- What the tool's own look at the world says, unless the worker's report came first
update calls set state = %(state)s, result_type = %(result_type)s, result = %(result)s,
                 error = %(error)s, verified = true, finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(call_id)s and start_token = %(token)s
  and state in ('executing', 'in_doubt')
