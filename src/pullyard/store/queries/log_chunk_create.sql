INSERT INTO log_chunks (execution_id, stream, start_offset, size_bytes, start_line, lines, codec, data,
    object_offset, object_bytes)
VALUES (:execution_id, :stream, :start_offset, :size_bytes, :start_line, :lines, 'zstd', :data,
    :object_offset, :object_bytes)
