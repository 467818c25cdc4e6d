UPDATE tasks SET signature = :signature WHERE id = :id
