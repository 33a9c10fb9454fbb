select pg_advisory_xact_lock(hashtextextended('sign-in ' || %(subject)s, 0))
