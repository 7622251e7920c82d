"""Keeps the processors awake. On a virtual machine one that has gone to sleep is woken by the hypervisor, which costs
who wakes it some 70 to 90 us: over a single connection, where all sleep between two messages, more than the
work itself. A process that spins on each, of the kind that gives way to any other at once, leaves the work."""

import contextlib
import os
import subprocess
import sys


# Until whoever started it has gone.
SPIN = """\
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(100000):
        pass
"""


def spin(processor):
    """In a session of its own, which the kernel weighs as a whole: what else the machine does comes first, too."""
    def prepare():
        os.sched_setaffinity(0, {processor})
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as f:
            f.write("19")
    return subprocess.Popen([sys.executable, "-S", "-c", SPIN], stdin=subprocess.DEVNULL, start_new_session=True,
                            preexec_fn=prepare)


@contextlib.contextmanager
def processors():
    spinners = []
    try:
        for processor in os.sched_getaffinity(0):
            spinners.append(spin(processor))
        yield
    finally:
        for one in spinners:
            one.kill()
            one.wait()
