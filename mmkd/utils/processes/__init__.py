"""Several processes: which of them speaks, how they start, and what ends them."""
