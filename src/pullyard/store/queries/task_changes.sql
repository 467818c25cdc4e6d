SELECT repositories, responds_to FROM tasks WHERE id = :id
