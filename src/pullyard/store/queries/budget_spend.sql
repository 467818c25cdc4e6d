-- Under the row's lock, with what was read there.
UPDATE budgets SET
    period_start = :start,
    spent_micros = :spent_micros,
    spent_tokens = :spent_tokens,
    extra_micros = :extra_micros,
    extra_tokens = :extra_tokens,
    warned = :warned,
    updated_at = now()
WHERE id = :id
