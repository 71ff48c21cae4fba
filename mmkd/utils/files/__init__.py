"""Files: written whole, logged to, and read as plain data."""
