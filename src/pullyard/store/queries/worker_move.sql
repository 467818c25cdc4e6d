UPDATE workers SET
    state = CAST(:state AS text),
    quarantine_reason = CASE WHEN CAST(:state AS text) = 'quarantined' THEN :reason END,
    -- What it did before a person looked at it does not count against it any more.
    released_at = CASE WHEN state = 'quarantined' AND CAST(:state AS text) <> 'quarantined' THEN now()
        ELSE released_at END
WHERE id = :id
