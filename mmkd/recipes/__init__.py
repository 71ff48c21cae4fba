"""A recipe examined before it is trained: checks, shapes, weights, cost, and the papers' rows."""
