"""What the runner calls: hooks and optimizer-wrapper constructors."""
