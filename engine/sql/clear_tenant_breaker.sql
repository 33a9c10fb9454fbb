delete from tenant_breakers where tenant_id = %(tenant)s
