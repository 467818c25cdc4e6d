UPDATE tasks SET schedule_id = :schedule_id, schedule_tick = :tick WHERE id = :id
