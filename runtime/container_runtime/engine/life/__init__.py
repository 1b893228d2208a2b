"""The life of a container: which operation in which state, starts, ends, restarts, health."""
