INSERT INTO spending AS s (project_id, day, tenant_id, micros, tokens)
VALUES (:project_id, current_date, :tenant_id, :micros, :tokens)
ON CONFLICT (project_id, day) DO UPDATE SET
    micros = s.micros + excluded.micros,
    tokens = s.tokens + excluded.tokens
