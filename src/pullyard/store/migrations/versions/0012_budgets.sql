-- What was spent, by project and UTC day; every sum over time is made from this.
CREATE TABLE spending (
    project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
    day date NOT NULL,
    tenant_id text NOT NULL REFERENCES tenants,
    micros bigint NOT NULL DEFAULT 0 CHECK (micros >= 0),
    tokens bigint NOT NULL DEFAULT 0 CHECK (tokens >= 0),
    PRIMARY KEY (project_id, day)
) WITH (fillfactor = 70);
CREATE INDEX spending_tenant ON spending (tenant_id, day);

-- The most that may be spent: by a tenant or a project in a period, by each task with all its tries, by each
-- execution. What was spent is kept for the first two, as of period_start; extra is what a person added to it.
CREATE TABLE budgets (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    project_id text REFERENCES projects ON DELETE CASCADE,
    scope text NOT NULL CHECK (scope IN ('tenant', 'project', 'task', 'execution')),
    period text NOT NULL CHECK (period IN ('day', 'month', 'total')),
    limit_micros bigint CHECK (limit_micros > 0),
    limit_tokens bigint CHECK (limit_tokens > 0),
    warn_percent integer NOT NULL DEFAULT 80 CHECK (warn_percent BETWEEN 1 AND 100),
    period_start date NOT NULL,
    spent_micros bigint NOT NULL DEFAULT 0,
    spent_tokens bigint NOT NULL DEFAULT 0,
    extra_micros bigint NOT NULL DEFAULT 0,
    extra_tokens bigint NOT NULL DEFAULT 0,
    warned boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (limit_micros IS NOT NULL OR limit_tokens IS NOT NULL),
    CHECK (CASE scope WHEN 'tenant' THEN project_id IS NULL WHEN 'project' THEN project_id IS NOT NULL
        ELSE period = 'total' END)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX budgets_one_each ON budgets (tenant_id, coalesce(project_id, ''), scope, period);

-- A claim passes over what is spent until the period's end; null or past: nothing is spent.
ALTER TABLE project_queue ADD COLUMN spent_until timestamptz;
ALTER TABLE tenants ADD COLUMN spent_until timestamptz;

-- Of all tries of the task together, as budget_micros.
ALTER TABLE tasks ADD COLUMN budget_tokens bigint CHECK (budget_tokens > 0);

-- What a live execution may spend in all until it asks again; null: it has not asked, or nothing bounds it.
-- Reports that overtake each other are told apart by their number.
ALTER TABLE task_executions ADD COLUMN share_micros bigint;
ALTER TABLE task_executions ADD COLUMN share_tokens bigint;
ALTER TABLE task_executions ADD COLUMN share_number bigint NOT NULL DEFAULT 0;
ALTER TABLE task_executions ADD COLUMN extra_micros bigint NOT NULL DEFAULT 0;
ALTER TABLE task_executions ADD COLUMN extra_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE task_executions ADD COLUMN budget_warned boolean NOT NULL DEFAULT false;
ALTER TABLE task_executions ADD COLUMN usage_told_at timestamptz;

INSERT INTO spending (project_id, day, tenant_id, micros)
SELECT project_id, spent_on, tenant_id, spent_micros FROM project_queue WHERE spent_on IS NOT NULL;
INSERT INTO budgets (id, tenant_id, project_id, scope, period, limit_micros, period_start, spent_micros)
SELECT replace(q.project_id, 'proj_', 'budget_'), q.tenant_id, q.project_id, 'project', 'day', q.daily_budget_micros,
    current_date, CASE WHEN q.spent_on = current_date THEN q.spent_micros ELSE 0 END
FROM project_queue q WHERE q.daily_budget_micros IS NOT NULL;
INSERT INTO budgets (id, tenant_id, scope, period, limit_micros, period_start, spent_micros)
SELECT replace(t.id, 'ten_', 'budget_'), t.id, 'tenant', 'day', t.daily_budget_micros, current_date,
    (SELECT coalesce(sum(spent_micros), 0) FROM project_queue s WHERE s.tenant_id = t.id AND s.spent_on = current_date)
FROM tenants t WHERE t.daily_budget_micros IS NOT NULL;
UPDATE project_queue q SET spent_until = current_date + 1 FROM budgets b
WHERE b.project_id = q.project_id AND b.spent_micros >= b.limit_micros;
UPDATE tenants t SET spent_until = current_date + 1 FROM budgets b
WHERE b.tenant_id = t.id AND b.scope = 'tenant' AND b.spent_micros >= b.limit_micros;

DROP INDEX project_queue_spent;
ALTER TABLE project_queue DROP COLUMN daily_budget_micros;
ALTER TABLE project_queue DROP COLUMN spent_on;
ALTER TABLE project_queue DROP COLUMN spent_micros;
ALTER TABLE tenants DROP COLUMN daily_budget_micros;
