"""A training step on 1 to 64 GPUs, computed from measured parts.

:mod:`.messages` counts what the processes of a step send, :mod:`.network` says how long that takes, :mod:`.step` puts
the parts together. What is assumed stands in :mod:`.setting`; :mod:`.measured` has the times of one GPU.
"""
