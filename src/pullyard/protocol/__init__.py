"""Wire models, versions and errors shared by coordinator, worker and programs. No I/O."""
