-- limits
SELECT 1;
