"""What the worker's owner allows, whatever a coordinator sends: read at the start, asked before anything."""
