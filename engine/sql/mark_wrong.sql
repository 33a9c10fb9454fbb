update assessments set wrong_at = clock_timestamp(), wrong_by = %(by)s, wrong_reason = %(reason)s
where tenant_id = %(tenant)s and run_id = %(run_id)s and id = %(id)s and wrong_at is null
returning stage
