SELECT count(*) FROM log_streams WHERE execution_id = :execution_id
