"""Scenes drawn from the pictures of a classification data set: boxes, masks and labels for each pixel."""
