UPDATE tasks SET lane_id = :lane_id
WHERE project_id = :project_id AND labels = CAST(:labels AS text[])
    AND member_id IS NOT DISTINCT FROM CAST(:member_id AS text) AND lane_id <> :lane_id
