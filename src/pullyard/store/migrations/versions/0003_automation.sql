-- automation
SELECT 1;
