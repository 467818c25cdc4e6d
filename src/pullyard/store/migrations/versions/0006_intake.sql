-- intake
SELECT 1;
