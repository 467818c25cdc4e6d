-- Under the project's lock. The first cent of a day begins a new sum.
UPDATE project_queue SET
    spent_micros = CASE WHEN spent_on = current_date THEN spent_micros ELSE 0 END
        + greatest(CAST(:cost_micros AS bigint), 0),
    spent_on = current_date
WHERE project_id = :project_id
