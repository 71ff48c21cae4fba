"""Building from configs: types with their nearest names, arguments with their types and ranges."""
