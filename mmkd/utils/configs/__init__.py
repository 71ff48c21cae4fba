"""Config files: finding them, overriding their entries, and keys and values that nothing would read."""
