-- Not fenced: what became of an undo is the truth, and settles a doubt that came up meanwhile
update undos set state = %(state)s, error = %(error)s, restored = %(restored)s,
                 finished_at = clock_timestamp()
where tenant_id = %(tenant)s and id = %(undo_id)s and start_token = %(token)s
  and state in ('executing', 'in_doubt')
