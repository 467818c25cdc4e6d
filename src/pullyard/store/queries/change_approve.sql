-- Only of the commit that was looked at.
UPDATE changes SET approved_commit = commit, approved_by = :member_id, approved_at = now()
WHERE id = :change_id AND commit = :commit
RETURNING id
