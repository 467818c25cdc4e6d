-- workflows
SELECT 1;
