"""A real Dovecot 2.3 in a private directory as a submission proxy: STARTTLS, logins from a file, no queue.

It passes each message on to a smarthost while the client waits. Nothing of the machine's own set-up is read or
changed. Needs root: Dovecot's processes run as users of its own.
"""

import os
import pwd
import signal
import subprocess

from .base import LOCAL, end_process, free_port, wait_for

PROGRAM = "/usr/sbin/dovecot"
SUBMISSION = "/usr/lib/dovecot/submission"

CONFIG = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = submission
listen = {address}
hostname = relay.test
auth_mechanisms = plain login
disable_plaintext_auth = yes
ssl = required
ssl_cert = <{chain}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
mail_location = maildir:{dir}/mail/%u
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 1000000
submission_relay_host = {address}
submission_relay_port = {relay}
submission_relay_ssl = no
submission_relay_trusted = no
submission_max_mail_size = 0
submission_max_recipients = 0

passdb {{
  driver = passwd-file
  args = scheme=PLAIN {dir}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={dir}/mail/%u
}}
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
  service_count = 0
  client_limit = 20000
  process_min_avail = {processors}
  process_limit = {processors}
}}
service submission {{
  process_limit = 20000
  service_count = {sessions}
  client_limit = {clients}
}}
service anvil {{
  client_limit = 100000
}}
service auth {{
  client_limit = 100000
}}
service stats {{
  client_limit = 100000
}}
{more}
"""


def missing():
    """Why it cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists(PROGRAM) or not os.path.exists(SUBMISSION):
        return "dovecot-submissiond is not installed"
    return None


class Dovecot:
    def __init__(self, directory, pair, relay_port, users, sessions=0, clients=1, more=""):
        """users: name to password. sessions: how many a submission process serves before it ends, 0: any
        number. clients: how many at once."""
        self.dir = directory
        self.port = None
        self.process = None
        nobody = pwd.getpwnam("nobody")
        for name in ("run", "state", "mail"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        os.chown(os.path.join(directory, "mail"), nobody.pw_uid, nobody.pw_gid)
        self.write("users", "".join("%s:%s\n" % user for user in users.items()))
        os.chown(os.path.join(directory, "users"), -1, pwd.getpwnam("dovecot").pw_gid)
        os.chmod(os.path.join(directory, "users"), 0o640)
        self.settings = {"dir": directory, "address": LOCAL, "chain": pair.chain, "key": pair.key, "relay": relay_port,
                         "sessions": sessions, "clients": clients, "processors": os.cpu_count(), "more": more}

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def start(self):
        # A connection of somebody else's may have got the port since it was found free.
        for _ in range(10):
            self.launch()
            if self.process.poll() is None:
                return self
            if "Address already in use" not in self.log():
                break
        raise AssertionError("Dovecot ended:\n" + self.log())

    def launch(self):
        self.port = free_port()
        self.write("dovecot.conf", CONFIG.format(port=self.port, **self.settings))
        with open(os.path.join(self.dir, "out"), "wb") as out:
            self.process = subprocess.Popen([PROGRAM, "-F", "-c", os.path.join(self.dir, "dovecot.conf")],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        pid_file = os.path.join(self.dir, "run", "master.pid")
        wait_for(lambda: os.path.exists(pid_file) or self.process.poll() is not None, "Dovecot to start")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process:
            end_process(self.process, signal.SIGTERM)
            self.process = None

    def log(self):
        text = ""
        for name in ("out", "log"):
            try:
                with open(os.path.join(self.dir, name), errors="replace") as f:
                    text += f.read()
            except OSError:
                pass
        return text
