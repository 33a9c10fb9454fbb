insert into undos (tenant_id, id, rollback_id, call_id, position, effect, recovery, unsure, state)
values (%(tenant)s, %(id)s, %(rollback_id)s, %(call_id)s, %(position)s, %(effect)s, %(recovery)s,
        %(unsure)s, 'allowed')
