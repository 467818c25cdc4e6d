SELECT project_id, queued, running FROM project_queue
