select end_run(%(tenant)s, %(run_id)s, %(epoch)s, %(status)s, %(exit)s, %(reason)s, %(output)s,
               %(active_ms)s, %(actor)s, %(entry)s)
