"""What an installation and its machine have, what is wrong with them, and how to mend it."""
