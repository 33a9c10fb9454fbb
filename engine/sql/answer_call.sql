-- What a person said is the result of the call that asked for it
update calls set state = 'succeeded', result_type = %(result_type)s, result = %(result)s,
                 attested_by = %(by)s, finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(call_id)s and start_token = %(token)s and state = 'executing'
