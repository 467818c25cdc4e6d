UPDATE workers SET state = :state WHERE id = :id
