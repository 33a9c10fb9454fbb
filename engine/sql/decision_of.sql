select kind, digest, reason, args, answer, decided_at from decisions
where tenant_id = %(tenant)s and approval_id = %(approval_id)s and reviewer = %(reviewer)s
