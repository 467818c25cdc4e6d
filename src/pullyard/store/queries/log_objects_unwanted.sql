SELECT execution_id, stream, object_key FROM log_streams
WHERE place = 'expired' AND object_key IS NOT NULL LIMIT 100
