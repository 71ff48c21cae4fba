"""Timing, side by side."""
