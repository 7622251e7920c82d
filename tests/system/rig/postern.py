"""The daemon under test: configuration, start, log, control, stop."""

import glob
import json
import os
import re
import signal
import subprocess
import time

from .base import LOCAL, PATIENCE, end_process, free_port, run, wait_for

# What a sanitizer leaves behind when it has found something.
REPORT = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
HERE = os.path.dirname(os.path.abspath(__file__))


def literal(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(literal(v) for v in value) + " }"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Config:
    """The file as sections; text() writes it."""

    def __init__(self):
        self.top = {}
        self.sections = []  # (kind, label or None, keys)

    def section(self, kind, label=None):
        """The keys of that section, made when it is not there yet."""
        for k, l, keys in self.sections:
            if (k, l) == (kind, label):
                return keys
        keys = {}
        self.sections.append((kind, label, keys))
        return keys

    def drop(self, kind, label=None):
        self.sections = [s for s in self.sections if s[0] != kind or (label and s[1] != label)]

    def text(self):
        out = ["%s = %s" % (k, literal(v)) for k, v in self.top.items()]
        for kind, label, keys in self.sections:
            out.append(kind + (" " + literal(label) if label else "") + " {")
            out += ["\t%s = %s" % (k, literal(v)) for k, v in keys.items()]
            out.append("}")
        return "\n".join(out) + "\n"


def parse_line(line):
    """A log line as a dictionary, its words unescaped."""
    entry = {"line": line}
    head = re.match(r"(\S+Z) (\w+) ", line)
    if head:
        entry["time"], entry["level"] = head.groups()
    for key, quoted, bare in re.findall(r'(?:^| )([a-z0-9_]+)=(?:"([^"]*)"|(\S*))', line):
        entry[key] = re.sub(r"\\x([0-9A-F]{2})", lambda m: chr(int(m.group(1), 16)), quoted) or bare
    return entry


class Postern:
    """One daemon in a private directory. Ports: self.port["starttls"], ["submit25"], ["implicit"]."""

    LISTENERS = ("starttls", "submit25", "implicit")

    def __init__(self, directory, build, certificates):
        self.directory = directory
        self.build = build
        self.certificates = certificates
        self.process = None
        self.starts = 0
        self.listen_on = [LOCAL]
        self.port = {}
        self.logs = []
        self.reports = os.path.join(directory, "san")
        self.file = os.path.join(directory, "postern.conf")
        self.users_file = os.path.join(directory, "users")
        self.spool = os.path.join(directory, "spool")
        self.control = os.path.join(directory, "control")
        os.makedirs(self.spool, mode=0o700, exist_ok=True)
        os.makedirs(self.reports, exist_ok=True)
        os.chmod(self.reports, 0o1777)
        self.config = self.default_config()

    def program(self, name):
        return os.path.join(self.build, "src", "main", name)

    def default_config(self):
        c = Config()
        c.top.update(hostname="relay.test", company="Example Corp", user="", login_user="",
                     control=self.control, loops=2)
        c.section("certificate", "p256").update(chain=self.certificates.relay.chain,
                                                key=self.certificates.relay.key)
        c.section("login").update(users_file=self.users_file, domains=["example.com"],
                                  nt_domains=["EXAMPLE"])
        c.section("limits").update(sessions_per_address=1000)
        c.section("queue").update(directory=self.spool, retry=["200ms", "400ms", "800ms", "1s"], reserve="1M")
        c.section("log").update(to="stderr", level="debug")
        return c

    def use(self, smarthost, name="main", host="localhost", **more):
        """Sends through a fake or real smarthost."""
        keys = self.config.section("smarthost", name)
        keys.update(host=host, port=smarthost.port, tls=smarthost.tls, pause="300ms", pause_most="1s")
        if smarthost.tls != "none":
            keys["ca_file"] = self.certificates.ca.file
        if smarthost.user:
            password = os.path.join(self.directory, name + ".password")
            with open(password, "w") as f:
                f.write(smarthost.password + "\n")
            os.chmod(password, 0o600)
            keys.update(user=smarthost.user, password_file=password)
        keys.update(more)
        return keys

    def write_config(self):
        with open(self.file, "w") as f:
            f.write(self.config.text())

    def assign_ports(self):
        self.config.drop("listen")
        ports = set()
        while len(ports) < len(self.LISTENERS):
            ports.add(free_port(self.listen_on))
        for name in self.LISTENERS:
            self.port[name] = ports.pop()
            for address in self.listen_on:
                label = name + ("6" if ":" in address else "")
                keys = self.config.section("listen", label)
                keys.update(address=address, port=self.port[name])
                if name == "implicit":
                    keys["tls"] = "implicit"

    def add_user(self, name="alice", password="secret"):
        if not self.port:
            self.assign_ports()
        self.write_config()
        self.ctl("user", "add", name, data=password + "\n")

    # the process

    def environment(self):
        env = {k: v for k, v in os.environ.items()
               if k not in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM")}
        log = "log_path=%s:exitcode=88" % os.path.join(self.reports, "report")
        env["ASAN_OPTIONS"] = log + ":halt_on_error=1:abort_on_error=0:detect_leaks=1"
        env["LSAN_OPTIONS"] = "suppressions=%s:print_suppressions=0" % os.path.join(HERE, "lsan.supp")
        env["UBSAN_OPTIONS"] = log + ":halt_on_error=1:print_stacktrace=1"
        env["TSAN_OPTIONS"] = log + ":halt_on_error=0:suppressions=" + os.path.join(HERE, "tsan.supp")
        return env

    def argv(self):
        argv = [self.program("posternd"), "-c", self.file]
        if "tsan" in os.path.basename(self.build):
            # ThreadSanitizer's shadow does not fit beside widely scattered mappings.
            argv = ["setarch", "-R"] + argv
        return argv

    def launch(self, argv=None, env=None, **options):
        """Starts without waiting."""
        self.write_config()
        self.starts += 1
        path = os.path.join(self.directory, "log.%d" % self.starts)
        self.logs.append(path)
        with open(path, "wb") as log:
            self.process = subprocess.Popen(argv or self.argv(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=env or self.environment(), **options)
        return self

    def start(self, seconds=20, **options):
        """Returns once the daemon is ready. A port that somebody took in between: once more."""
        for _ in range(3):
            self.launch(**options)
            wait_for(lambda: self.events("ready", last=True) or self.process.poll() is not None,
                     "event=ready", seconds)
            if self.process.poll() is None:
                return self
            if self.starts > 1 or "in use" not in self.text(last=True):
                break
            self.assign_ports()
        raise AssertionError("posternd ended with status %d:\n%s"
                             % (self.process.returncode, self.text(last=True)))

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, status=0, sig=signal.SIGTERM, seconds=40):
        """An orderly end: the exit status is looked at."""
        if self.process is None:
            return
        code = end_process(self.process, sig, seconds)
        self.process = None
        self.check_reports()
        if code != status:
            raise AssertionError("posternd: exit status %d\n%s" % (code, self.text(last=True)[-4000:]))

    def wait_end(self, seconds=40):
        """The exit status of one that was told to end."""
        return self.process.wait(seconds * PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self, **options):
        self.stop()
        return self.start(**options)

    def reload(self):
        before = len(self.events("reloaded"))
        self.write_config()
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(self.events("reloaded")) > before, "event=reloaded")

    def check_reports(self):
        """Fails when a sanitizer has said something in this daemon or its workers."""
        found = []
        for path in glob.glob(os.path.join(self.reports, "report*")) + self.logs:
            with open(path, errors="replace") as f:
                text = f.read()
            if REPORT.search(text):
                found.append("%s:\n%s" % (path, text[-6000:]))
        if found:
            raise AssertionError("sanitizer:\n" + "\n".join(found))

    # the log

    def text(self, last=False):
        out = ""
        for path in self.logs[-1:] if last else self.logs:
            with open(path, errors="replace") as f:
                out += f.read()
        return out

    def lines(self, last=False):
        # What is being written at this moment may end within a line.
        return [parse_line(l) for l in self.text(last).split("\n")[:-1]]

    def events(self, name, last=False, **fields):
        return [e for e in self.lines(last) if e.get("event") == name
                and all(e.get(k) == str(v) for k, v in fields.items())]

    def events_so_far(self, name, **fields):
        """The same once the log, whose lines gather for a moment, has all that led to what was answered."""
        self.status()
        return self.events(name, **fields)

    def wait_event(self, name, seconds=20, **fields):
        return wait_for(lambda: self.events(name, **fields), "event=%s %s" % (name, fields),
                        seconds)[0]

    # control

    def ctl(self, *words, data=None, check=True):
        return run([self.program("posternctl"), "-c", self.file, *words], data=data, check=check,
                   env=self.environment())

    def status(self):
        return json.loads(self.ctl("--json", "status").out)

    def queue(self):
        return json.loads(self.ctl("--json", "queue").out)

    def check_config(self):
        """posternd -t."""
        self.write_config()
        return run(self.argv() + ["-t"], check=False, env=self.environment())

    def wait_empty(self, seconds=30):
        """Until nothing is undelivered."""
        wait_for(lambda: not find_lists(self.queue()), "an empty queue", seconds)

    def is_at_rest(self):
        """Nothing is queued, and nothing on its way to a smarthost, not even for a client that has gone.

        The log holds all that led to the answer."""
        status = self.status()
        return not (status["messages"] or status["waiting"] or any(s["busy"] for s in status["smarthosts"]))


def find_lists(answer):
    """The messages in an answer about the queue: the one list of objects that it holds."""
    for value in answer.values():
        if isinstance(value, list):
            return value
    return []


def milliseconds_since(start):
    return (time.monotonic() - start) * 1000 / PATIENCE
