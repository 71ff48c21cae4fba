"""Training on views that can be seen again: live, or with a teacher's kept answers."""
