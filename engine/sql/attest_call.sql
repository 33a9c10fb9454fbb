update calls set state = %(state)s, result_type = %(result_type)s, result = %(result)s,
                 error = %(error)s, attested_by = %(by)s, finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(call_id)s and state = 'in_doubt'
