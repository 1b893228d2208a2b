"""The files of containers, running or not: in and out as archives, what has changed, and images made of them."""
