-- Several tasks with the same text and different agents, of which one is chosen. Decided without a chosen task
-- is cancelled.
CREATE TABLE comparisons (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
    member_id text REFERENCES members,
    title text NOT NULL,
    choose text NOT NULL CHECK (choose IN ('manual', 'first-passing', 'cheapest-passing')),
    candidates integer NOT NULL CHECK (candidates BETWEEN 2 AND 8),
    budget_micros bigint,
    budget_tokens bigint,
    chosen_task_id text,
    decided_at timestamptz,
    decided_how text CHECK (decided_how IN ('person', 'rule', 'merge')),
    decided_by text REFERENCES members,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((decided_at IS NULL) = (decided_how IS NULL)),
    CHECK (decided_at IS NOT NULL OR (chosen_task_id IS NULL AND decided_by IS NULL))
);
CREATE INDEX comparisons_tenant ON comparisons (tenant_id, id);

ALTER TABLE tasks ADD COLUMN comparison_id text;
-- A candidate until its comparison is decided: what depends on it waits for that, and not for its end.
ALTER TABLE tasks ADD COLUMN undecided boolean NOT NULL DEFAULT false;
-- Whether the comparison has been told of its end.
ALTER TABLE tasks ADD COLUMN comparison_heard boolean NOT NULL DEFAULT false;
CREATE INDEX tasks_comparison ON tasks (comparison_id) WHERE comparison_id IS NOT NULL;
CREATE INDEX tasks_unheard ON tasks (comparison_id) WHERE comparison_id IS NOT NULL AND NOT comparison_heard
    AND state IN ('completed', 'failed', 'cancelled');
