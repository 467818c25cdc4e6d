"""States, transition tables, ids, money and policies. No I/O."""
