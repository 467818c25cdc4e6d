UPDATE push_devices SET problem = :problem,
    delivered_at = CASE WHEN :problem = '' THEN now() ELSE delivered_at END
WHERE id = :device_id
