-- In place of what its project has for each task, from here on.
UPDATE tasks SET
    budget_micros = coalesce(CAST(:micros AS bigint), budget_micros),
    budget_tokens = coalesce(CAST(:tokens AS bigint), budget_tokens),
    version = version + 1,
    updated_at = now()
WHERE id = :id
