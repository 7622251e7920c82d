"""What a server uses up: processor time, memory, syncs, switches, over all of its processes.

Group    a control group of version 2 of its own. Whatever a server starts stays in it, also what is
         orphaned or outlives its parent, and the kernel adds up the time of those that have ended. Needs root.
Tree     without one: a process and its descendants in /proc. Times have the grain of a clock tick; what
         is orphaned is lost, so that Exim cannot be measured by it.
Counted  counts of the kernel's events in a group, by perf(1).
Machine  under what conditions: what the hypervisor took meanwhile, and what else ran.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from rig.base import children_of, wait_for

TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """User and system time of a process, its descendants, and those of them that were waited for."""
    total = 0
    for one in [pid] + children_of(pid):
        try:
            with open("/proc/%d/stat" % one) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += sum(int(n) for n in fields[11:15])
        except OSError:
            pass
    return total / TICK


def memory_octets(pids):
    """Sum of the proportional set sizes: what processes share counts once. None where one may not be looked at, as
    a daemon that lets nobody but root look."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                for line in f:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
                        break
        except PermissionError:
            return None
        except OSError:
            pass
    return total


def mounted():
    """Where the groups of version 2 are, or None."""
    try:
        with open("/proc/mounts") as f:
            for line in f:
                fields = line.split()
                if fields[2] == "cgroup2":
                    return fields[1]
    except OSError:
        pass
    return None


def own_path():
    """The group that this process is in, as the kernel names it."""
    with open("/proc/self/cgroup") as f:
        for line in f:
            if line.startswith("0::"):
                return line[3:].strip()
    return "/"


class Group:
    # An end may come while one is being closed: none is forgotten.
    there_are = []

    def __init__(self, name):
        self.name = name
        self.home = mounted() + own_path()
        self.path = os.path.join(mounted(), name)
        os.mkdir(self.path)
        self.there_are.append(self)

    @contextlib.contextmanager
    def entered(self):
        """What is started meanwhile is started in the group."""
        self.put(self.path)
        try:
            yield
        finally:
            self.put(self.home)

    @staticmethod
    def put(path):
        with open(os.path.join(path, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))

    def processor_seconds(self):
        with open(os.path.join(self.path, "cpu.stat")) as f:
            figures = dict(line.split() for line in f)
        return (int(figures["user_usec"]) + int(figures["system_usec"])) / 1e6

    def pids(self):
        with open(os.path.join(self.path, "cgroup.procs")) as f:
            return [int(line) for line in f]

    def close(self):
        """Nothing of it outlives the run."""
        wait_for(self.is_removed, "the end of what a server has left running")

    def is_removed(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.rmdir(self.path)
        except OSError:
            return False
        self.there_are.remove(self)
        return True


class Tree:
    name = None

    def __init__(self):
        self.pid = None

    @contextlib.contextmanager
    def entered(self):
        yield

    def processor_seconds(self):
        return processor_seconds(self.pid)

    def pids(self):
        return [self.pid] + children_of(self.pid)

    def close(self):
        pass


def new(name):
    try:
        return Group(name)
    except (OSError, TypeError):
        return Tree()


def close_all():
    for group in list(Group.there_are):
        group.close()


def has_groups():
    group = new("postern-bench-%d-try" % os.getpid())
    group.close()
    return group.name is not None


# Figure to the events that it is the sum of.
EVENTS = {
    "syncs": ("syscalls:sys_enter_fsync", "syscalls:sys_enter_fdatasync"),
    "switches": ("context-switches",),
    "calls": ("raw_syscalls:sys_enter",),
}


class Counted:
    """Counts while it is open; afterwards figures(): figure to sum, without those that cannot be had."""

    def __init__(self, group):
        self.out = ""
        self.process = None
        if group.name is None or not shutil.which("perf"):
            return
        events = [e for some in EVENTS.values() for e in some]
        argv = ["perf", "stat", "-x", ",", "-a", "-e", ",".join(events), "-G", ",".join([group.name] * len(events))]
        read, write = os.pipe()
        ack_read, ack_write = os.pipe()
        # It says that it counts, rather than being given time for it.
        self.process = subprocess.Popen(argv + ["--delay=-1", "--control", "fd:%d,%d" % (read, ack_write)],
                                        pass_fds=(read, ack_write), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        os.close(read)
        os.close(ack_write)
        with os.fdopen(ack_read) as ack, os.fdopen(write, "w") as control:
            control.write("enable\n")
            control.flush()
            if not ack.readline():
                self.end()

    def end(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.out = self.process.communicate()[1]
            self.process = None
        return self

    def figures(self):
        counts = {}
        for line in self.out.splitlines():
            fields = line.split(",")
            if len(fields) > 3 and fields[0].isdigit():
                counts[fields[2]] = int(fields[0])
        return {figure: sum(counts[e] for e in events) for figure, events in EVENTS.items()
                if all(e in counts for e in events)}


class Machine:
    """Processor time of the whole machine since it was made: all there is, what the hypervisor gave to others while
    something here wanted to run, and what ran here."""

    def __init__(self):
        self.begun = self.now()

    @staticmethod
    def now():
        with open("/proc/stat") as f:
            # user nice system idle iowait irq softirq steal; what follows is counted in user already.
            fields = [int(n) / TICK for n in f.readline().split()[1:9]]
        return sum(fields), fields[7], sum(fields) - fields[3] - fields[4] - fields[7]

    def shares(self, ours, end=None):
        """Of all until now, or until another look: what was stolen, and what ran here beside the processor seconds that
        are ours."""
        whole, stolen, busy = (b - a for a, b in zip(self.begun, end.begun if end else self.now()))
        return {"steal": stolen / max(whole, 1 / TICK), "others": max(busy - ours, 0) / max(whole, 1 / TICK)}


def written_octets(pid):
    """What a process has given to the disk, in whole pages as the kernel counts them."""
    with open("/proc/%d/io" % pid) as f:
        figures = dict(line.split(": ") for line in f.read().splitlines())
    return int(figures["write_bytes"]) - int(figures["cancelled_write_bytes"])


def settled_seconds(group, most=3):
    """The processor time once the server has come to rest: what is left to do after the last message
    is its cost too."""
    end = time.monotonic() + most
    last = group.processor_seconds()
    while time.monotonic() < end:
        time.sleep(0.1)
        now = group.processor_seconds()
        if now - last < 0.002:
            return now
        last = now
    return last
