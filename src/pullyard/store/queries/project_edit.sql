WITH limited AS (
    UPDATE project_queue SET max_running = :max_running WHERE project_id = :id
)
UPDATE projects SET
    name = :name,
    forge = :forge,
    default_branch = :default_branch,
    agent = :agent,
    setup_commands = :setup_commands,
    verify_commands = :verify_commands,
    limits = :limits,
    retry = :retry,
    text_policy = :text_policy,
    change_rules = :change_rules,
    forge_events = :forge_events,
    automation_policy = :automation_policy,
    labels = :labels,
    workflow_nodes = :workflow_nodes,
    isolation = :isolation,
    version = version + 1,
    updated_at = now()
WHERE id = :id
