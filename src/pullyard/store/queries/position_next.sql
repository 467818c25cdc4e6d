-- The nearest neighbour on either side, and null where there is none.
SELECT
    (SELECT min(position) FROM tasks WHERE project_id = :project_id AND priority = :priority
        AND state IN ('queued', 'pending') AND NOT id = ANY (CAST(:without AS text[]))
        AND (CAST(:above AS bigint) IS NULL OR position > :above)) AS following,
    (SELECT max(position) FROM tasks WHERE project_id = :project_id AND priority = :priority
        AND state IN ('queued', 'pending') AND NOT id = ANY (CAST(:without AS text[]))
        AND (CAST(:below AS bigint) IS NULL OR position < :below)) AS previous
