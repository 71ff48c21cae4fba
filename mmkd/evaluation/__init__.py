"""Metrics that mmpretrain, mmdet and mmseg lack."""
