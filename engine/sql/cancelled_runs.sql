select tenant_id, id, cancel_requested_by from runs
where worker_id = %(worker_id)s and status = 'running' and cancel_requested_at is not null
