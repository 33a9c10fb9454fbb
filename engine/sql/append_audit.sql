insert into audit_log (tenant_id, event, actor, run_id, call_id, approval_id, subject, state, entry)
select e.* from unnest(
    %(tenant)s::text[], %(event)s::text[], %(actor)s::text[], %(run_id)s::uuid[],
    %(call_id)s::uuid[], %(approval_id)s::uuid[], %(subject)s::uuid[], %(state)s::text[],
    %(entry)s::bytea[]) as e
