UPDATE tasks SET tries = 0, uncounted_tries = 0, resume_from = :resume_from WHERE id = :id
