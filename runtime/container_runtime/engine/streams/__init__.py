"""What containers read and write: terminals, pipes, attached clients, logs."""
