SELECT cursor FROM push_installation WHERE EXISTS (SELECT 1 FROM push_devices)
