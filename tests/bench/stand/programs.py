"""The programs beside the servers: load, which plays the clients, and sink, the smarthost that counts."""

import json
import os
import subprocess
import time

from . import usage


class Trouble(Exception):
    """The run cannot go on; says what a person needs to know."""


class Sink:
    """A smarthost without TLS or login."""

    tls, user = "none", ""

    def __init__(self, build):
        self.process = subprocess.Popen([os.path.join(build, "tests", "bench", "sink")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def processor_seconds(self):
        return usage.processor_seconds(self.process.pid)

    def counts(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def wait(self, different, patience):
        """Until it has that many different messages; gives up once none has come for that many seconds.
        Returns the seconds that it took to the last one."""
        begun = last = time.monotonic()
        seen = -1
        while True:
            counts = self.counts()
            now = time.monotonic()
            if counts["messages"] != seen:
                seen, last = counts["messages"], now
            if counts["messages"] - counts["duplicates"] >= different or now > last + patience:
                return last - begun
            time.sleep(0.02)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Load:
    """Gives out the numbers of messages, so that each is known at the sink."""

    def __init__(self, build, ca_file):
        self.program = os.path.join(build, "tests", "bench", "load")
        self.ca_file = ca_file
        self.next_id = 1
        self.sendings = []

    def start(self, server, amount, octets, more=()):
        """Returns once it is about to send: where connections are kept, all of them are logged in."""
        # A thread a processor: by one alone a client with a handshake each would wait for the others, not for the server.
        argv = [self.program, "-t", len(os.sched_getaffinity(0)), "-c", amount.connections, "-s", octets, "-f",
                self.next_id, "-u", server.user, "-a", self.ca_file, *more]
        argv += ["-n", amount.messages] if amount.messages else ["-d", amount.seconds]
        self.sendings.append(Sending(self, [str(a) for a in argv + ["127.0.0.1", server.port]], server.password,
                                     amount.connections))
        return self.sendings[-1]

    def close(self):
        """Ends what an early end has left."""
        for sending in self.sendings:
            sending.process.kill()
            sending.process.wait()


class Sending:
    """One run of load."""

    def __init__(self, load, argv, password, connections):
        self.load = load
        self.connections = connections
        self.waits = "-1" not in argv
        self.argv = argv[:1] + ["-W"] * self.waits + argv[1:]
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, LOAD_PASSWORD=password))
        if self.waits and not self.process.stdout.readline().startswith("ready"):
            self.fail(self.process.communicate()[1])

    def finish(self):
        """Lets it go on, and waits for what it says at the end."""
        said, errors = self.process.communicate("\n" if self.waits else "", timeout=900)
        try:
            out = json.loads(said)
        except ValueError:
            self.fail(errors)
        # More than were begun: what was under way when a run by time ended has a number too.
        self.load.next_id += out["messages"] + out["failures"] + out.get("refused", 0) + self.connections + 1
        out["said"] = errors.strip() or out.get("first_failure") or ""
        out["cpu_of_load_us"] = out.pop("cpu_us")
        return out

    def fail(self, errors):
        raise Trouble("%s\nended with status %s: %s" % (" ".join(self.argv), self.process.wait(), errors.strip()))
