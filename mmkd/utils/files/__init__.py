"""Files: written whole, logged to, and read as plain data."""
from .small import read_json, write_json, write_text

__all__ = ['read_json', 'write_json', 'write_text']
