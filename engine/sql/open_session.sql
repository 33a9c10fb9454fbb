with ended as (
    delete from sessions where expires_at <= clock_timestamp()
)
insert into sessions (hash, tenant_id, reviewer, expires_at)
values (%(hash)s, %(tenant)s, %(reviewer)s, clock_timestamp() + make_interval(secs => %(seconds)s))
