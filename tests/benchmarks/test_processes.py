"""The serving benchmark reads /proc while processes start and end."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from side_by_side.processes import cpu_seconds, memory, tree

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads Linux's /proc")


@contextmanager
def churn() -> Iterator[None]:
    """Starts short-lived child processes and threads of this process until the block ends."""
    stop = threading.Event()

    def children() -> None:
        while not stop.is_set():
            subprocess.run(["/bin/true"], check=True)

    def threads() -> None:
        while not stop.is_set():
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()

    workers = [threading.Thread(target=target) for target in (children, children, threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_a_tree_holds_a_process_and_its_descendants() -> None:
    # GIVEN a shell that runs a Python process, which waits for its input to close
    program = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(  # noqa: S603  our own program
        ["/bin/sh", "-c", '"$0" -c "$1"; true', sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"ready\n"
        # WHEN its tree is read
        processes = tree(shell.pid)
        used = memory([shell.pid])
        shell.communicate()
    # THEN it holds both, and their memory counts
    assert processes[0] == shell.pid
    assert len(processes) == 2
    assert used > 1_000_000


def test_processes_and_threads_may_end_while_their_tree_is_read() -> None:
    # GIVEN children and threads that start and end all the time
    with churn():
        for _ in range(300):
            # WHEN the tree is read THEN no read fails, and this process is counted
            assert tree(os.getpid())[0] == os.getpid()
            assert cpu_seconds([os.getpid()]) > 0
            assert memory([os.getpid()]) > 0


def test_a_process_that_has_ended_counts_nothing() -> None:
    # GIVEN a process that has ended
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    # WHEN and THEN
    assert tree(process.pid) == [process.pid]
    assert cpu_seconds([process.pid]) == 0
    assert memory([process.pid]) == 0
