-- The stream is ours to change until the transaction ends, if the attempt still is.
SELECT 1 FROM log_streams
WHERE execution_id = :execution_id AND stream = :stream AND attempt_key = :key
    AND place IN ('frames', 'compacted') AND size_bytes = :stream_bytes
FOR UPDATE
