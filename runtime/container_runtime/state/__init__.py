"""What a run leaves on disk: directories, lock, ledger, sweep."""
