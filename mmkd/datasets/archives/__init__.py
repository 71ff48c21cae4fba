"""Zip and tar archives, read in place."""
