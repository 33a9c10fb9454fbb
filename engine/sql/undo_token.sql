select state, start_token from undos where tenant_id = %(tenant)s and id = %(undo_id)s
