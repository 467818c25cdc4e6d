"""The git program, always with a hardened environment. Repositories and what they hold are hostile."""
