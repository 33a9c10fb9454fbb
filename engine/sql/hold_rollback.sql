-- The fence, and the lock under which the next thing to do is chosen
select id from rollbacks
where tenant_id = %(tenant)s and id = %(rollback_id)s and epoch = %(epoch)s and state = 'running'
for no key update
