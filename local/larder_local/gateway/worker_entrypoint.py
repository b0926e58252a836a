"""The first thing in a worker process: tie its life to the gateway's, then become AWS's runtime client.

Run as ``python -m larder_local.gateway.worker_entrypoint <gateway's pid> <handler>``. A killed gateway cannot stop
its workers, and one that is busy would go on for as long as its handler does. Linux kills a process whose parent died
when it has asked for that; elsewhere the worker ends at its next call of the Runtime API, which nobody answers then.
"""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Takes the first argument away and runs ``python -m awslambdaric`` with the rest."""
    gateway = int(sys.argv.pop(1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != gateway:  # it died before the leash was on
        return
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
