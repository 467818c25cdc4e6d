-- What a worker's version can do is a label too, so that these are right for that version alone.
UPDATE workers SET labels = CAST(:labels AS text[])
WHERE id = :id AND tenant_id = :tenant_id AND protocol_version = :protocol_version
    AND labels <> CAST(:labels AS text[])
