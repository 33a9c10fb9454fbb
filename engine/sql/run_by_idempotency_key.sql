select id, status, request_digest from runs
where tenant_id = %(tenant)s and idempotency_key = %(idempotency_key)s
