-- A person goes on with it.
UPDATE changes SET rounds = 0, updates = 0, attention = NULL WHERE id = :change_id
