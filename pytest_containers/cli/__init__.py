"""The command ``pytest-containers``: a client of the Docker Engine API with Docker's words."""
