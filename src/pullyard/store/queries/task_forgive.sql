-- However often a person takes a task back, it does not fail of that.
UPDATE tasks SET uncounted_tries = 0 WHERE id = :id
