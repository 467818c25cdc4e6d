"""Postgres: the embedded server, the schema, named queries, the feed and the bus."""
