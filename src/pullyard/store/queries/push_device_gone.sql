DELETE FROM push_devices WHERE id = :id
