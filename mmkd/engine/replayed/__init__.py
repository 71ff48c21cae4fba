"""Training on views that can be seen again: live, or with the answers of a teacher that were kept of them."""
