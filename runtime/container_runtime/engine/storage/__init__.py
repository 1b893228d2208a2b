"""Where a container's files are: roots, volumes, snapshots."""
