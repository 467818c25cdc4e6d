UPDATE errands SET state = :state, message = :message WHERE id = :id
