insert into audit_log (tenant_id, event, actor, run_id, call_id, approval_id, subject, state, entry)
values (%(tenant)s, %(event)s, %(actor)s, %(run_id)s, %(call_id)s, %(approval_id)s, %(subject)s,
        %(state)s, %(entry)s)
