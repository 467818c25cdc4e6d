SELECT nextval(pg_get_serial_sequence('tasks', 'position')) FROM generate_series(1, :count)
