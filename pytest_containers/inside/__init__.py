"""What runs inside the container of a test marked ``in_container``: a warm pytest of which each test is a fork.

It is not imported by the plugin outside; what starts and asks it is ``pytest_containers.isolation``.
"""
