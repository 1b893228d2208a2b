"""The small process that starts containers from an OCI config."""
