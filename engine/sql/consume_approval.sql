-- Once, for this very digest, within its window, and while those who gave it may still decide it
update approvals a set state = 'consumed'
where a.tenant_id = %(tenant)s and a.id = %(approval_id)s and a.state = 'approved'
  and a.digest = %(digest)s and a.closed_at + a.use_within > clock_timestamp()
  and still_missing(a) = 0
