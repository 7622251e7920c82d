"""The servers that are measured, each set up for the same work in a directory of its own.

All offer STARTTLS with one P-256 certificate and let one login in by AUTH PLAIN; all but the floor that drops
pass each message on to the sink, without TLS. Each runs in a control group of its own.
"""

import os
import subprocess

from rig import dovecot, exim, postfix
from rig.base import LOCAL, end_process, run
from rig.postern import Postern

from . import usage

BACKENDS = {
    "apps": "app password, HMAC",
    "users": "password, yescrypt + cache",
    "sasldb": "sasldb",
}


class Server:
    """What is common. A subclass sets name, login, port and pid; start() and stop() are its own."""

    user, password = "alice", "secret"
    made = 0
    # Whether a message that is answered 250 must come to the sink.
    passes_on = True

    def __init__(self):
        Server.made += 1
        self.group = usage.new("postern-bench-%d-%d-%s" % (os.getpid(), Server.made, self.key))
        try:
            with self.group.entered():
                self.start()
        except BaseException:
            self.group.close()
            raise
        if self.group.name is None:
            self.group.pid = self.pid

    def close(self):
        try:
            self.stop()
        finally:
            self.group.close()

    def log(self):
        return ""


class PosternServer(Server):
    def __init__(self, directory, build, certificates, sink, backend, handoff):
        self.key = handoff + "-" + backend
        self.name = "Postern " + handoff
        self.login = BACKENDS[backend]
        self.daemon = Postern(directory, build, certificates)
        self.daemon.use(sink, host=LOCAL)
        config = self.daemon.config
        config.section("log")["level"] = "info"
        # No limit is to be reached; tests/bench/overload sets its own.
        config.section("limits").update(sessions_per_address=100000, overload=0)
        config.section("queue").update(retry=["1m"], handoff=handoff)
        config.top["loops"] = 0
        if backend == "sasldb":
            db = os.path.join(directory, "sasldb2")
            run(["saslpasswd2", "-c", "-p", "-f", db, "-u", "relay.test", "alice"], data="secret")
            config.section("login").update(backend="sasldb", sasldb_file=db, realm="relay.test")
        self.daemon.add_user()
        if backend == "apps":
            self.password = self.daemon.ctl("app-password", "add", "alice").out.strip()
        super().__init__()

    def start(self):
        self.daemon.start()
        self.port = self.daemon.port["starttls"]
        self.pid = self.daemon.pid

    def stop(self):
        self.daemon.stop()

    def log(self):
        return self.daemon.text()


class PostfixServer(Server):
    """With Debian's values but for limits, which none of the work is to reach. Tried, and no cheaper: connections to
    the smarthost that are always kept (smtp_connection_cache_destinations; they are kept under load as it is), processes
    that serve more than 100 clients each (max_use). in_flow_delay stays too: where the queue grows faster than it
    empties, some clients wait for its second, which is the p99 with connections kept open; it costs no processor time,
    and what is accepted faster is not delivered faster."""

    key, name, login = "postfix", "Postfix queue", "sasldb"
    user = "alice@smarthost.test"

    MORE = """\
virtual_mailbox_domains =
default_transport = smtp:[127.0.0.1]:%d
smtp_tls_security_level = none
smtpd_tls_loglevel = 0
default_process_limit = 200
smtpd_client_connection_rate_limit = 0
"""

    def __init__(self, directory, certificates, sink):
        self.directory = directory
        self.server = postfix.Postfix(directory, certificates.relay, self.MORE % sink.port)
        self.server.add_user("alice", "smarthost.test", "secret")
        super().__init__()

    def start(self):
        self.server.start()
        self.port = self.server.port
        with open(os.path.join(self.directory, "queue", "pid", "master.pid")) as f:
            self.pid = int(f.read())

    def stop(self):
        # The end of its group is quicker than an orderly one, which nobody needs.
        if self.group.name is None:
            self.server.stop()

    def log(self):
        return self.server.log()


class DovecotServer(Server):
    """As its manual advises for many logins: login processes that serve many clients each, one a processor, and
    session processes that are used again. A session process has one client at a time, as is its default and needed where
    accounts are users of the system; shared, it has many, which is as cheap as Dovecot gets. Each login process has
    keys of its own for tickets, so that not every session that asks to be resumed is."""

    login = "file, no hash"
    CLIENTS = 100

    def __init__(self, directory, certificates, sink, is_shared):
        self.key = "dovecot-shared" if is_shared else "dovecot"
        self.name = "Dovecot shared" if is_shared else "Dovecot proxy"
        self.server = dovecot.Dovecot(directory, certificates.relay, sink.port, {"alice": "secret"},
                                      clients=self.CLIENTS if is_shared else 1)
        super().__init__()

    def start(self):
        self.server.start()
        self.port, self.pid = self.server.port, self.server.pid

    def stop(self):
        self.server.stop()

    def log(self):
        return self.server.log()


class EximRelay(exim.Exim):
    """The rig's Exim, sending all on to the sink instead of keeping it. Tried, and no cheaper: tls_dhparam = none,
    split_spool_directory. The wrapper that shows it its user costs nothing that can be measured."""

    user, password = "alice", "secret"

    ROUTERS = """\
begin routers
all:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1
  self = send

begin transports
out:
  driver = smtp
  port = {port}
  hosts_avoid_tls = *
  hosts_require_tls =
"""

    # No limit but the machine's.
    MORE = """\
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue = 0
smtp_connect_backlog = 1024
check_spool_space = 0
check_spool_inodes = 0
tls_resumption_hosts = *
"""

    def __init__(self, directory, pair, sink, is_cut_through):
        super().__init__(directory, pair, self.MORE)
        path = os.path.join(directory, "exim.conf")
        with open(path) as f:
            text = f.read()
        head, rest = text.split("begin routers\n")
        tail = rest[rest.index("begin authenticators\n"):]
        if is_cut_through:
            head = head.replace("acl_smtp_rcpt = acl_check", "acl_smtp_rcpt = acl_rcpt") + (
                "acl_rcpt:\n  accept authenticated = *\n         control = cutthrough_delivery\n"
                "  deny message = log in\n\n")
        self.write("exim.conf", head + self.ROUTERS.format(port=sink.port) + "\n" + tail)


class EximServer(Server):
    login = "string comparison"

    def __init__(self, directory, certificates, sink, is_cut_through):
        self.key = "exim-cut" if is_cut_through else "exim-queue"
        self.name = "Exim cut-through" if is_cut_through else "Exim queue"
        self.server = EximRelay(directory, certificates.relay, sink, is_cut_through)
        super().__init__()

    def start(self):
        self.server.start()
        self.port, self.pid = self.server.port, self.server.process.pid

    def stop(self):
        self.server.stop()

    def log(self):
        return self.server.log()


class FloorServer(Server):
    login = "none looked at"

    def __init__(self, build, certificates, sink, passes_on, resumes):
        self.key = "floor-pass" if passes_on else "floor-drop"
        self.name = "floor, passes on" if passes_on else "floor, drops"
        self.passes_on = passes_on
        self.argv = [os.path.join(build, "tests", "bench", "floor"), "-t", str(len(os.sched_getaffinity(0)))]
        if passes_on:
            self.argv += ["-f", "%s:%d" % (LOCAL, sink.port)]
        if resumes:
            self.argv += ["-T"]
        self.argv += [certificates.relay.chain, certificates.relay.key]
        super().__init__()

    def start(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.pid = self.process.pid

    def stop(self):
        self.process.stdin.close()
        end_process(self.process)


KEYS = ("hybrid", "queue", "postfix", "dovecot", "dovecot-shared", "exim-cut", "exim-queue", "floor-drop", "floor-pass")


def missing(key):
    """Why that server cannot be measured here, or None."""
    if key == "postfix" and not postfix.is_possible():
        return "needs root and the package postfix"
    if key.startswith("dovecot"):
        return dovecot.missing()
    if key.startswith("exim"):
        return exim.missing() or (None if usage.has_groups() else "needs a control group of version 2")
    return None


def variant(key, workload):
    """"" or "resumed": whether a workload needs the server in another way. The floor gives tickets only where
    sessions are resumed: it is to show the least that each costs."""
    return "resumed" if key.startswith("floor") and workload == "resumed" else ""


def open_one(key, directory, build, certificates, sink, backend, resumes):
    if key in ("hybrid", "queue"):
        return PosternServer(directory, build, certificates, sink, backend, key)
    if key == "postfix":
        return PostfixServer(directory, certificates, sink)
    if key.startswith("dovecot"):
        return DovecotServer(directory, certificates, sink, key == "dovecot-shared")
    if key.startswith("exim"):
        return EximServer(directory, certificates, sink, key == "exim-cut")
    return FloorServer(build, certificates, sink, key == "floor-pass", resumes)
