INSERT INTO changes (id, tenant_id, project_id, task_id, execution_id, state, branch, base_branch, base_commit,
    commit, title, body, diffstat, diff, diff_truncated, url, repository, repository_url, receipt)
VALUES (:id, :tenant_id, :project_id, :task_id, :execution_id, :state, :branch, :base_branch, :base_commit,
    :commit, :title, :body, :diffstat, :diff, :diff_truncated, :url, :repository, :repository_url, :receipt)
