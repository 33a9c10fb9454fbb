update undos
set state = 'executing', starts = starts + 1, start_token = %(token)s, started_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(undo_id)s and state = %(state)s and starts = %(starts)s
