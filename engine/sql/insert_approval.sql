insert into approvals (tenant_id, id, kind, run_id, call_id, digest, headline, reason, preview,
                       reviewers, quorum, expires_at, use_within, changes,
                       each, escalation, separation, needs_reason, confirm, together)
values (%(tenant)s, %(id)s, %(kind)s, %(run_id)s, %(call_id)s, %(digest)s, %(headline)s, %(reason)s,
        %(preview)s, %(reviewers)s, %(quorum)s,
        clock_timestamp() + make_interval(secs => %(expires_seconds)s::float8),
        make_interval(secs => %(use_seconds)s::float8), %(changes)s,
        %(each)s, %(escalation)s, %(separation)s::text[], %(needs_reason)s, %(confirm)s,
        %(together)s)
