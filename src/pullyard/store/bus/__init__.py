"""News between replicas: a family with one protocol, a registry by URL scheme and one suite of tests."""
