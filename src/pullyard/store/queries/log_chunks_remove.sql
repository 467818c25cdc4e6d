DELETE FROM log_chunks
WHERE execution_id = :execution_id AND stream = :stream
    AND start_offset >= :offset AND start_offset < :until
