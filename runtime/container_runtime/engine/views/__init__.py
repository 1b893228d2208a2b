"""Docker's view of containers and of the engine: inspect, lists, stats, sizes."""
