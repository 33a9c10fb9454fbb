select status, agent, fingerprint from runs where tenant_id = %(tenant)s and id = %(run_id)s
