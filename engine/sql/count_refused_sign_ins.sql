select count(*)
from audit_log
where subject = %(subject)s and state = 'refused'
  and at > clock_timestamp() - make_interval(secs => %(seconds)s)
