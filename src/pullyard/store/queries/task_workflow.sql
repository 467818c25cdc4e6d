UPDATE tasks SET workflow = :workflow, repositories = :repositories, responds_to = :responds_to WHERE id = :id
