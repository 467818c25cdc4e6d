-- Until the last of its spent budgets begins anew.
UPDATE project_queue q SET spent_until = (
    SELECT max(CASE b.period WHEN 'day' THEN current_date + 1
        WHEN 'month' THEN date_trunc('month', now()) + interval '1 month' ELSE 'infinity' END)
    FROM budgets b
    WHERE b.project_id = q.project_id AND b.scope = 'project' AND b.period_start = CASE b.period
            WHEN 'day' THEN current_date WHEN 'month' THEN CAST(date_trunc('month', now()) AS date)
            ELSE date '2000-01-01' END
        AND (b.spent_micros >= b.limit_micros + b.extra_micros OR b.spent_tokens >= b.limit_tokens + b.extra_tokens))
WHERE q.project_id = :project_id
