UPDATE tenants SET daily_budget_micros = CAST(:daily_budget_micros AS bigint) WHERE id = :id
