"""What a run writes and reads: whole files, errors of one line, the weights that were validated."""
