UPDATE tasks SET draft = false WHERE id = :id
