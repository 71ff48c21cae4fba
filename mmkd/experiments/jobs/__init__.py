"""Jobs: commands that run side by side, depend on each other, and go on where they were stopped."""
