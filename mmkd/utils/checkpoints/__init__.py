"""Checkpoint files: whether they are whole, what they hold, reading them without running code."""
