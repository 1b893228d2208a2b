"""The embedded container engine: Docker Engine API above, the Linux kernel below."""

__version__ = "0.1.0"
