UPDATE tasks SET list_digest = :digest WHERE id = :id
