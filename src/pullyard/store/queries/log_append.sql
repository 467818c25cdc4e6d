WITH chunk AS (
    INSERT INTO log_chunks (execution_id, stream, start_offset, size_bytes, start_line, lines, codec, data)
    SELECT :execution_id, :stream, :offset, :size_bytes, s.lines, :lines, 'zstd', :data
    FROM log_streams s WHERE s.execution_id = :execution_id AND s.stream = :stream
    RETURNING execution_id, stream, size_bytes, lines
)
UPDATE log_streams s SET size_bytes = s.size_bytes + c.size_bytes, lines = s.lines + c.lines
FROM chunk c WHERE s.execution_id = c.execution_id AND s.stream = c.stream
