"""The work that servers are given, and one pass of it."""

import threading

from . import usage

# Name to: what it is, octets of a message, options of load, whether each message logs in anew.
WORKLOADS = {
    "kept": ("4 KiB, connections kept open", 4096, (), False),
    "each": ("4 KiB, one connection, handshake and login each", 4096, ("-1",), True),
    "resumed": ("4 KiB, one connection, resumed handshake and login each", 4096, ("-1", "-R"), True),
    "big": ("100 KiB, connections kept open", 102400, (), False),
}

# Seconds for which the sink may stand still before what is not there counts as lost.
PATIENCE = 30
WARM_UP = 0.1


class Amount:
    """How much of a workload: a number of messages or a time, and over how many connections."""

    def __init__(self, connections, messages=None, seconds=None):
        self.connections = connections
        self.messages = messages
        self.seconds = seconds

    def part(self, share):
        """Less of the same, for warming up or counting."""
        return Amount(self.connections, max(int(self.messages * share), 1) if self.messages else None,
                      max(self.seconds * share, 0.5) if self.seconds else None)

    def at_least(self, seconds):
        return Amount(self.connections, self.messages, max(self.seconds, seconds) if self.seconds else None)

    def over(self, connections):
        return Amount(connections, self.messages, self.seconds)


class Stand:
    """Where passes happen: the sink, the clients."""

    def __init__(self, sink, load):
        self.sink = sink
        self.load = load

    def send(self, server, amount, octets, more=()):
        """Load and delivery: what the load says, what came, what it cost."""
        before = self.sink.counts()
        sending = self.load.start(server, amount, octets, more)
        begun, sink_begun, machine = server.group.processor_seconds(), self.sink.processor_seconds(), usage.Machine()
        out = sending.finish()
        ours = server.group.processor_seconds() - begun + self.sink.processor_seconds() - sink_begun
        out.update(machine.shares(ours + out["cpu_of_load_us"] * out["messages"] / 1e6))
        drain = 0
        different = before["messages"] - before["duplicates"]
        if server.passes_on:
            drain = self.sink.wait(different + out["messages"], PATIENCE)
        spent = usage.settled_seconds(server.group) - begun
        after = self.sink.counts()
        done = max(out["messages"], 1)
        out["accepted_per_second"] = out["per_second"]
        out["drain_seconds"] = drain
        out["per_second"] = out["messages"] / max(out["seconds"] + drain, 1e-6)
        out["cpu_us"] = spent * 1e6 / done
        out["lost"] = out["twice"] = 0
        if server.passes_on:
            came = after["messages"] - after["duplicates"] - different
            out["lost"] = max(out["messages"] - came, 0)
            out["twice"] = after["duplicates"] - before["duplicates"]
        return out

    def measure(self, server, workload, amount):
        _, octets, more, _ = WORKLOADS[workload]
        self.warm_up(server, amount.part(WARM_UP), octets, more)
        return self.send(server, amount, octets, more)

    def warm_up(self, server, amount, octets, more):
        """Processes are started, sessions to be resumed are made, caches are filled."""
        before = self.sink.counts()
        out = self.load.start(server, amount, octets, more).finish()
        if server.passes_on:
            self.sink.wait(before["messages"] - before["duplicates"] + out["messages"], PATIENCE)

    def count(self, server, workload, amount):
        """A pass with instruments, which cost something themselves: counts a message, memory."""
        _, octets, more, _ = WORKLOADS[workload]
        return self.counted(server, amount, octets, more)

    def counted(self, server, amount, octets, more=()):
        counted = usage.Counted(server.group)
        peak = MemoryPeak(server.group)
        try:
            out = self.send(server, amount, octets, more)
        finally:
            peak.stop()
            counted.end()
        figures = {name: n / max(out["messages"], 1) for name, n in counted.figures().items()}
        if peak.octets is not None:
            figures["memory_octets"] = peak.octets
        figures["messages"] = out["messages"]
        for name in ("failures", "lost", "twice", "steal", "others"):
            figures[name] = out[name]
        return figures


class MemoryPeak:
    """Looks at the memory of a group some times a second."""

    def __init__(self, group):
        self.group = group
        self.octets = usage.memory_octets(group.pids())
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.ended.wait(0.1):
            octets = usage.memory_octets(self.group.pids())
            self.octets = None if None in (octets, self.octets) else max(self.octets, octets)

    def stop(self):
        self.ended.set()
        self.thread.join()
