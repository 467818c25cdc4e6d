-- Locks the position: of several replicas one at a time looks through the feed.
SELECT cursor FROM push_installation WHERE cursor < :settled FOR UPDATE SKIP LOCKED
