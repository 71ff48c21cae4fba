"""Datasets, transforms and samplers that mmpretrain lacks."""
