-- logs
SELECT 1;
