DELETE FROM push_deliveries WHERE device_id = :device_id AND cursor = :cursor
