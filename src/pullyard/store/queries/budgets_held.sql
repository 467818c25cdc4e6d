-- What other live executions were given and have not spent yet, and how many share.
SELECT count(*) AS tenant_claimants, count(*) FILTER (WHERE project_id = :project_id) AS project_claimants,
    CAST(coalesce(sum(greatest(share_micros - cost_micros, 0)), 0) AS bigint) AS tenant_micros,
    CAST(coalesce(sum(greatest(share_tokens - input_tokens - output_tokens, 0)), 0) AS bigint) AS tenant_tokens,
    CAST(coalesce(sum(greatest(share_micros - cost_micros, 0))
        FILTER (WHERE project_id = :project_id), 0) AS bigint) AS project_micros,
    CAST(coalesce(sum(greatest(share_tokens - input_tokens - output_tokens, 0))
        FILTER (WHERE project_id = :project_id), 0) AS bigint) AS project_tokens
FROM task_executions
WHERE tenant_id = :tenant_id AND finished_at IS NULL AND share_number > 0 AND id <> :id
