-- A person says now, whatever was to be waited for.
UPDATE tasks SET draft = false, start_at = NULL, avoid_worker_id = NULL, refused_by = NULL, tries = 0, uncounted_tries = 0, resolutions = 0, resume_from = :resume_from, comparison_heard = false, key_member_id = coalesce(CAST(:member_id AS text), '') WHERE id = :id
