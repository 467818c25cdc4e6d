UPDATE errands SET state = 'failed', message = 'overtaken' WHERE id = :id
