UPDATE tasks SET comparison_id = :comparison_id, undecided = true WHERE id = :id
