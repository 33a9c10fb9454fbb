insert into rollbacks (tenant_id, id, run_id, needs, plan, digest, approval_id, requested_by, state)
values (%(tenant)s, %(id)s, %(run_id)s, %(needs)s, %(plan)s, %(digest)s, %(approval_id)s, %(by)s,
        %(state)s)
