"""A model file into the registry: gather -> try in a process of its own -> compare -> add."""
