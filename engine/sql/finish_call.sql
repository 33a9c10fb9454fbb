-- Not fenced by the run: a result is the truth, and settles a doubt that came up meanwhile
update calls set state = %(state)s, result_type = %(result_type)s, result = %(result)s,
                 error = %(error)s, finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(call_id)s and start_token = %(token)s
  and state in ('executing', 'in_doubt')
