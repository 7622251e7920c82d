"""Puts a run before all else that the machine does, by a control group with 256 times the usual weight. Clients, server
and smarthost are all in it, and share among themselves as they would on a machine of their own. Version 1 of control
groups only: with version 2 a server's group, which counts its time, would be a neighbour of this one."""

import contextlib
import os

from rig.base import wait_for

from .programs import Trouble

SHARES = 256 * 1024


def mounted():
    """Where the groups are that have weights, or None."""
    with open("/proc/mounts") as f:
        for line in f:
            fields = line.split()
            if fields[2] == "cgroup" and "cpu" in fields[3].split(","):
                return fields[1]
    return None


def own_path():
    with open("/proc/self/cgroup") as f:
        for line in f:
            _, controllers, path = line.strip().split(":", 2)
            if "cpu" in controllers.split(","):
                return path
    return "/"


def write(path, value):
    with open(path, "w") as f:
        f.write(str(value))


def is_removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def before_all_else():
    mount = mounted()
    if mount is None:
        raise Trouble("--first: there are no control groups of version 1 with weights")
    home, path = mount + own_path(), os.path.join(mount, "postern-bench-%d" % os.getpid())
    try:
        os.mkdir(path)
    except OSError as e:
        raise Trouble("--first: %s" % e) from None
    try:
        write(os.path.join(path, "cpu.shares"), SHARES)
        write(os.path.join(path, "cgroup.procs"), os.getpid())
        yield
    finally:
        write(os.path.join(home, "cgroup.procs"), os.getpid())
        wait_for(lambda: is_removed(path), "the end of what a run has left running")
