-- Towards the front, where nothing new ever comes by itself.
UPDATE tasks SET position = position - :room
WHERE project_id = :project_id AND state IN ('queued', 'pending') AND priority = :priority AND position <= :upto
