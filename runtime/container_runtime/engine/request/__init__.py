"""A create request as config.json: what is asked for, checked, and looked up."""
