"""Deadlines, ports and child processes."""

import os
import signal
import socket
import subprocess
import time

# Sanitizer builds are several times slower; tests/run says how much.
PATIENCE = float(os.environ.get("POSTERN_PATIENCE", "1"))
LOCAL = "127.0.0.1"
LOCAL6 = "::1"


class TimeOut(AssertionError):
    pass


def wait_for(condition, what, seconds=20):
    """Calls condition() until it is true and returns its value."""
    end = time.monotonic() + seconds * PATIENCE
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeOut("waited %.0f s for: %s" % (seconds * PATIENCE, what))
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind((LOCAL6, 0))
        return True
    except OSError:
        return False


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# Sockets that are bound and never listen: while they are open the kernel gives their ports to nobody who asks for
# any, be it to listen or to connect from, while a server that names the port gets it (SO_REUSEADDR).
KEPT = []


def free_port(addresses=(LOCAL,)):
    """A port that the kernel found free, on all of these addresses; it stays ours, also while no server has it."""
    for _ in range(200):
        taken = []
        port = 0
        try:
            for address in addresses:
                s = socket.socket(family(address), socket.SOCK_STREAM)
                taken.append(s)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((address, port))
                port = s.getsockname()[1]
            KEPT.extend(taken)
            return port
        except OSError:
            for s in taken:
                s.close()
    raise OSError("no port is free on " + " and ".join(addresses))


def run(argv, data=None, check=True, seconds=60, **options):
    """Runs a program to its end; a failure shows what it said."""
    if isinstance(data, str):
        data = data.encode()
    done = subprocess.run([str(a) for a in argv], input=data if data is not None else b"",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=seconds * PATIENCE, **options)
    done.out = done.stdout.decode("utf-8", "replace")
    done.err = done.stderr.decode("utf-8", "replace")
    if check and done.returncode:
        raise AssertionError("%s: exit status %d\n%s%s"
                             % (" ".join(map(str, argv)), done.returncode, done.out, done.err))
    return done


def end_process(process, sig=signal.SIGTERM, seconds=30):
    """Ends a child of ours; kills it when it does not go. Returns the exit status."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("pid %d did not end within %.0f s of signal %d"
                                 % (process.pid, seconds * PATIENCE, sig))
    return process.returncode


def children_of(pid):
    """All descendants of a process, from /proc."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                parents[int(name)] = int(fields[1])
            except (OSError, IndexError):
                pass
    found, look = [], [pid]
    while look:
        parent = look.pop()
        for child, of in parents.items():
            if of == parent:
                found.append(child)
                look.append(child)
    return found


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return [a.decode("utf-8", "replace") for a in f.read().split(b"\0")[:-1]]
    except OSError:
        return []


def process_status(pid):
    """/proc/PID/status as a dictionary."""
    out = {}
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            key, _, value = line.partition(":")
            out[key] = value.strip()
    return out
