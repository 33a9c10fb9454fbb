update runs set fingerprint = %(fingerprint)s
where tenant_id = %(tenant)s and id = %(run_id)s and status <> 'ended'
