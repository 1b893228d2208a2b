"""System calls and what is built straight on them; only here is ctypes known."""
