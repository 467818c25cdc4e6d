"""The pullyard command line."""
