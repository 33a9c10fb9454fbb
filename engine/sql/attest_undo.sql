update undos set state = %(state)s, error = %(error)s, attested_by = %(by)s,
                 finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(undo_id)s and state = 'in_doubt'
