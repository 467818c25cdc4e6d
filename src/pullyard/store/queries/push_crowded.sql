DELETE FROM push_deliveries p USING (
    SELECT device_id, cursor, row_number() OVER (PARTITION BY device_id ORDER BY cursor DESC) AS place
    FROM push_deliveries
) AS old
WHERE old.place > :waiting AND p.device_id = old.device_id AND p.cursor = old.cursor
