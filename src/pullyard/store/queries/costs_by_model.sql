-- By what the workers' gateways counted of each model, which they tell with an execution's end; the rest of what an
-- execution used is of no model that was told. Workers' facts may say anything: what is no number is none.
WITH chosen AS MATERIALIZED (
    SELECT e.id, e.cost_micros, e.input_tokens, e.output_tokens,
        CASE WHEN jsonb_typeof(e.facts -> 'models') = 'array' THEN e.facts -> 'models' ELSE '[]' END AS models
    FROM task_executions e
    WHERE e.tenant_id = :tenant_id AND e.id >= :least_id AND e.id < :most_id
        AND e.assigned_at >= CAST(:since AS date) AT TIME ZONE 'UTC'
        AND e.assigned_at < CAST(:until AS date) AT TIME ZONE 'UTC'
        AND (CAST(:project_id AS text) IS NULL OR e.project_id = :project_id)
), told AS MATERIALIZED (
    SELECT c.id, m.value ->> 'provider' AS provider, m.value ->> 'model' AS model,
        CASE WHEN jsonb_typeof(m.value -> 'cost_micros') = 'number'
            THEN least(greatest(CAST(m.value -> 'cost_micros' AS numeric), 0), c.cost_micros) ELSE 0 END AS cost_micros,
        CASE WHEN jsonb_typeof(m.value -> 'input_tokens') = 'number'
            THEN least(greatest(CAST(m.value -> 'input_tokens' AS numeric), 0), c.input_tokens) ELSE 0 END AS input_tokens,
        CASE WHEN jsonb_typeof(m.value -> 'output_tokens') = 'number'
            THEN least(greatest(CAST(m.value -> 'output_tokens' AS numeric), 0), c.output_tokens) ELSE 0 END AS output_tokens
    FROM chosen c CROSS JOIN LATERAL jsonb_array_elements(c.models) m
), parts AS (
    SELECT id, CASE CAST(:by AS text) WHEN 'provider' THEN provider ELSE concat_ws('/', provider, model) END AS key,
        cost_micros, input_tokens, output_tokens
    FROM told
    UNION ALL
    SELECT c.id, NULL, greatest(c.cost_micros - coalesce(t.cost_micros, 0), 0),
        greatest(c.input_tokens - coalesce(t.input_tokens, 0), 0),
        greatest(c.output_tokens - coalesce(t.output_tokens, 0), 0)
    FROM chosen c LEFT JOIN (
        SELECT id, sum(cost_micros) AS cost_micros, sum(input_tokens) AS input_tokens,
            sum(output_tokens) AS output_tokens
        FROM told GROUP BY id
    ) t ON t.id = c.id
    WHERE c.cost_micros > coalesce(t.cost_micros, 0) OR c.input_tokens > coalesce(t.input_tokens, 0)
        OR c.output_tokens > coalesce(t.output_tokens, 0) OR t.id IS NULL
)
SELECT NULL AS key, true AS is_total, NULL AS name, CAST(coalesce(sum(cost_micros), 0) AS bigint) AS cost_micros,
    CAST(coalesce(sum(input_tokens), 0) AS bigint) AS input_tokens,
    CAST(coalesce(sum(output_tokens), 0) AS bigint) AS output_tokens, count(*) AS executions,
    CAST(NULL AS double precision) AS seconds
FROM chosen
UNION ALL
(SELECT key, false, NULL, CAST(sum(cost_micros) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), count(DISTINCT id), NULL
FROM parts GROUP BY key
ORDER BY sum(cost_micros) DESC, key
LIMIT CAST(:limit AS bigint) - 1)
