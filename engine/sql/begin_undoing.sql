update calls set state = 'undoing'
where tenant_id = %(tenant)s and id = %(call_id)s
  and (state in ('succeeded', 'undo_failed') or (state = 'in_doubt' and %(unsure)s::boolean))
