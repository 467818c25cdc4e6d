-- What a project, and all projects of a tenant together, may spend in a day (UTC); null is no limit.
-- A claim passes over a project whose day is spent. The sum is kept where the claim looks anyway, and a new day
-- begins by itself, because the sum is of spent_on only.
ALTER TABLE project_queue ADD COLUMN daily_budget_micros bigint CHECK (daily_budget_micros > 0);
ALTER TABLE project_queue ADD COLUMN spent_on date;
ALTER TABLE project_queue ADD COLUMN spent_micros bigint NOT NULL DEFAULT 0 CHECK (spent_micros >= 0);
ALTER TABLE tenants ADD COLUMN daily_budget_micros bigint CHECK (daily_budget_micros > 0);
CREATE INDEX project_queue_spent ON project_queue (tenant_id, spent_on) INCLUDE (spent_micros);
