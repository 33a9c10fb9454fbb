-- Once, for this very digest, and within its window
update approvals set state = 'consumed'
where tenant_id = %(tenant)s and id = %(approval_id)s and state = 'approved' and digest = %(digest)s
  and closed_at + use_within > clock_timestamp()
