update calls set state = 'executing', starts = starts + 1, start_token = %(token)s,
                 started_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(call_id)s and digest = %(digest)s and state = %(state)s
