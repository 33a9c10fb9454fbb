update reviewers set disabled_at = clock_timestamp()
where tenant_id = %(tenant)s and name = %(reviewer)s and disabled_at is null
returning name
