"""Images: store, registry, import, and the machine's own root."""
