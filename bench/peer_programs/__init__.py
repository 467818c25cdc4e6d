"""Programs for the environment of the peers; of ours they import ``jobs`` alone, which needs no library."""
