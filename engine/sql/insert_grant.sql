insert into grants (tenant_id, id, approval_id, digest, tool, tool_version, effect, agent, run_id,
                    bounds, most, reason, granted_by, expires_at)
values (%(tenant)s, %(id)s, %(approval_id)s, %(digest)s, %(tool)s, %(tool_version)s, %(effect)s,
        %(agent)s, %(run_id)s, %(bounds)s, %(most)s, %(reason)s, %(by)s,
        clock_timestamp() + make_interval(secs => %(seconds)s))
returning expires_at
