update undos set state = 'in_doubt', error = %(error)s
where tenant_id = %(tenant)s and id = %(undo_id)s and state = 'executing' and start_token = %(token)s
