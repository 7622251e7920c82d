"""What a message costs within a pass: between two looks at the processors, without its beginning and its end."""

import contextlib
import glob
import os
import time

from . import usage

# The three that a pass needs, and what a message cost each.
COSTS = {"daemon": "cpu_us", "load": "cpu_of_load_us", "sink": "cpu_of_sink_us"}


class Look:
    """At the processor time of all three, once the sink has so many messages, or the load has ended."""

    def __init__(self, sink, pid, load, messages):
        while True:
            self.messages = sink.counts()["messages"]
            if self.messages >= messages or load.poll() is not None:
                break
            time.sleep(0.005)
        self.at = time.monotonic()
        self.cpu = [usage.processor_seconds(one) for one in (pid, load.pid)] + [sink.processor_seconds()]
        self.machine = usage.Machine()
        self.loops = loop_seconds(pid)

    def until(self, end):
        """What was done from here to there: costs a message, shares of all processors, what loops did of the time."""
        seconds, messages = max(end.at - self.at, 1e-6), max(end.messages - self.messages, 1)
        used = [b - a for a, b in zip(self.cpu, end.cpu)]
        out = {"per_second": messages / seconds, **self.machine.shares(sum(used), end.machine)}
        for name, one in zip(COSTS, used):
            out[COSTS[name]] = one * 1e6 / messages
            out[name] = one / seconds / os.cpu_count()
        for i, name in enumerate(("ran", "waited")):
            out[name] = [(end.loops[task][i] - self.loops[task][i]) / seconds for task in sorted(end.loops)]
        return out


def places(connections, messages, is_even=False):
    """At how many messages to look. As many are under way at the second look as at the first, or the price would lack
    what had been done ahead: with a connection each, all the handshakes that were made before. At an even rate nothing
    is."""
    if is_even:
        return max(connections, messages // 10), messages * 95 // 100
    first = min(max(2 * connections, messages // 10), messages // 2)
    return first, max(first, min(messages * 95 // 100, messages - connections))


def loop_seconds(pid):
    """Of each loop of the daemon: seconds that it ran, and that it waited for a processor."""
    found = {}
    for task in glob.glob("/proc/%d/task/*/" % pid):
        # Another thread may have ended since, as one does that served a posternctl.
        with contextlib.suppress(OSError), open(task + "comm") as name, open(task + "schedstat") as figures:
            if name.read().startswith("sessions-"):
                found[task] = [int(n) / 1e9 for n in figures.read().split()[:2]]
    return found
