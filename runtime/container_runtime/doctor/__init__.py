"""Finding out by trying what of the kernel the engine can use here: ``python -m container_runtime doctor``."""
