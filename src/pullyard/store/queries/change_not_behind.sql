-- What was merged first does not matter to it.
UPDATE changes SET behind = '{}' WHERE id = :id
