UPDATE workers SET removed_at = now() WHERE id = :id
