-- What a change's earlier looks have left.
DELETE FROM errands WHERE change_id = :change_id AND kind = 'look' AND state IN ('done', 'failed')
