"""What the workers of xdist have in common: containers, networks and volumes that are made once for all of them."""
