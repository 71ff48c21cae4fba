"""What must be known of a GPU: is the large convolution right there, how fast is it, how fast are models and steps.

:mod:`.report` runs the parts one after another, each in a process of its own with a time limit, and writes what they
found; a part is a module here with a function ``rows``, which yields a dict for each line of its tables.
"""
