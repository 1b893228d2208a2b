"""Three test suites, each written with three tools: what they take to write, and what they take to run."""
