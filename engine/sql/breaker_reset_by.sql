select reset_by from breaker_trips where tenant_id = %(tenant)s and id = %(id)s
