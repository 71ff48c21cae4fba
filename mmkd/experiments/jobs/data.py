"""Jobs that put data in place."""
from .scheduler import Job


class DataJob(Job):
    """A run of a converter, which finds out by itself whether there is anything to do."""

    def done(self) -> dict | None:
        """Never: the data may have been deleted since."""
        return None
