"""The entry point of a worker process: ends it together with the gateway, and runs AWS's runtime client.

Run as ``python -m larder_local.gateway.worker_entrypoint <gateway's pid> <handler>``.

A gateway that is killed cannot stop its workers, and a busy worker would run until its handler returns. On Linux, a
process can ask to be killed when its parent dies. On other systems the worker ends at its next call of the Runtime API,
which then fails.
"""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Removes the first argument and runs ``python -m awslambdaric`` with the others."""
    gateway = int(sys.argv.pop(1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != gateway:  # the gateway died before the call above
        return
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
