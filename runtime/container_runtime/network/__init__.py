"""Networks: bridges in a namespace of the engine, addresses, names."""
