UPDATE errands SET given = :given WHERE id = :id
