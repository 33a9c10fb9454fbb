insert into workers (id, host, pid, fingerprints, lease_until)
values (%(id)s, %(host)s, %(pid)s, %(fingerprints)s,
        clock_timestamp() + make_interval(secs => %(lease)s::float8))
on conflict (id) do update set lease_until = excluded.lease_until
