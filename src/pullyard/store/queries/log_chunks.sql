SELECT start_offset, size_bytes, data FROM log_chunks
WHERE execution_id = :execution_id AND stream = :stream AND start_offset < :until
    AND start_offset >= coalesce((SELECT max(start_offset) FROM log_chunks
        WHERE execution_id = :execution_id AND stream = :stream AND start_offset <= :offset), 0)
ORDER BY start_offset
