"""Going on with a run that was stopped: the same run, or a line that says why not."""
