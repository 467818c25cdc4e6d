UPDATE log_streams SET object_key = NULL
WHERE execution_id = :execution_id AND stream = :stream AND object_key = :object_key AND place = 'expired'
