"""The pictures of the analyses: arrays in, a figure out. ``style`` has what they have in common."""
