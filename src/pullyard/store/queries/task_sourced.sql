UPDATE tasks SET source_url = :source_url WHERE id = :id
