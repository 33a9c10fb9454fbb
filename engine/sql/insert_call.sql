insert into calls (tenant_id, id, run_id, key, revision, ns, task_id, tool_call_id, tool, tool_version,
                   args, digest, effect, source, rule, evidence, context, verdict, policy_digest,
                   policies, reason, recovery, send_within, key_life, state, approval_id, grant_id,
                   fingerprint)
values (%(tenant)s, %(id)s, %(run_id)s, %(key)s, %(revision)s, %(ns)s, %(task_id)s, %(tool_call_id)s,
        %(tool)s, %(tool_version)s, %(args)s, %(digest)s, %(effect)s, %(source)s, %(rule)s,
        %(evidence)s, %(context)s, %(verdict)s, %(policy_digest)s, %(policies)s, %(reason)s, %(recovery)s,
        %(send_within)s, %(key_life)s, %(state)s, %(approval_id)s, %(grant_id)s,
        %(fingerprint)s)
