"""Volumes: directories with names that outlive containers, and live as long as the engine's run."""
