"""Where repositories live and changes are published."""
