"""The OCI specifications: types, Docker's defaults, seccomp profiles."""
