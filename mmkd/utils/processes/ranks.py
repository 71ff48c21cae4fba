"""Which of several processes speaks, where all of them meet the same error."""
import os
import time
from pathlib import Path

SAID = 'said'
WAIT = 5.  # seconds after which another process of the machine has surely spoken, and srun has ended this one
LOCAL_RANKS = ('SLURM_LOCALID', 'OMPI_COMM_WORLD_LOCAL_RANK')
SIZES = ('SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE')


def speaks() -> bool:
    """Whether this process says what went wrong: the first of a machine that asks.

    Below torchrun the processes of a machine share a folder, in which the first one leaves a mark. Below Slurm and MPI
    the first process of a machine speaks at once, and others only if they are still there after a while.
    """
    shared = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if shared:
        folder = Path(shared).parents[1]  # one folder an attempt, with one a process in it
        try:
            os.close(os.open(folder / SAID, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        except OSError:  # a full disk: better twice than never
            return True
        return True
    several = any(os.environ.get(name, '1') not in ('', '1') for name in SIZES)
    if several and any(os.environ.get(name, '0') not in ('', '0') for name in LOCAL_RANKS):
        time.sleep(WAIT)
    return True
