-- What happened until now is told to nobody.
INSERT INTO push_installation (private_key, cursor)
VALUES (:private_key, (SELECT coalesce(max(cursor), 0) FROM events))
ON CONFLICT DO NOTHING
