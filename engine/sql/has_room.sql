select has_room(%(tenant)s, %(run_id)s)
