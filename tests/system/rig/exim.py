"""A real Exim in a private directory, as a smarthost: TLS, logins, delivery to files.

tests/fetch unpacks it, since Debian installs no second mail server beside Postfix. It looks for a user of its
own by name: nss_wrapper shows it one. Needs root.
"""

import glob
import os
import pwd
import signal
import subprocess

from .arrived import MaildirHost, arrived
from .base import LOCAL, end_process, free_port, wait_for

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "build", "fetched", "exim", "usr",
                       "sbin", "exim4")

CONFIG = """\
primary_hostname = smarthost.test
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
pid_file_path = {dir}/exim.pid
local_interfaces = <; {address}.{port}
tls_certificate = {chain}
tls_privatekey = {key}
tls_advertise_hosts = *
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
smtputf8_advertise_hosts = *
message_size_limit = 200M
deliver_drop_privilege = true
never_users =
host_lookup =
smtp_accept_queue_per_connection = 0
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
acl_smtp_mail = acl_check
acl_smtp_rcpt = acl_check
{more}
begin acl
acl_check:
  accept authenticated = *
  deny message = log in

begin routers
all:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  directory = {dir}/mail
  maildir_format = true
  create_directory = true
  envelope_to_add = true
  return_path_add = true

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and {{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


def wrapper():
    found = glob.glob("/usr/lib/*/libnss_wrapper.so*")
    return found[0] if found else None


def missing():
    """Why it cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists(PROGRAM):
        return "tests/fetch has not fetched Exim"
    return None if wrapper() else "libnss-wrapper is not installed"


class Exim(MaildirHost):
    tls = "starttls"
    user = "relay@smarthost.test"
    password = "exim-password"

    def __init__(self, directory, pair, more=""):
        """more: further lines of the main part of its configuration."""
        self.dir = directory
        self.mail = os.path.join(directory, "mail", "new")
        self.port = free_port()
        self.process = None
        nobody = pwd.getpwnam("nobody")
        for name in ("spool", "log", "mail"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
            os.chown(os.path.join(directory, name), nobody.pw_uid, nobody.pw_gid)
        # Its key must be readable by the user that it turns into.
        key = os.path.join(directory, "key.pem")
        with open(pair.key, "rb") as given, open(key, "wb") as f:
            f.write(given.read())
        os.chmod(key, 0o600)
        os.chown(key, nobody.pw_uid, -1)
        self.write("exim.conf", CONFIG.format(dir=directory, address=LOCAL, port=self.port, chain=pair.chain, key=key,
                                              user=self.user, password=self.password, more=more))
        self.accounts("passwd", "Debian-exim:x:%d:%d::/:/usr/sbin/nologin\n" % (nobody.pw_uid, nobody.pw_gid))
        self.accounts("group", "Debian-exim:x:%d:\n" % nobody.pw_gid)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def accounts(self, name, line):
        """The machine's own list, without a user of that name, and ours."""
        with open("/etc/" + name) as f:
            own = [l for l in f if not l.startswith("Debian-exim:")]
        self.write(name, "".join(own) + line)

    def environment(self):
        return dict(os.environ, LD_PRELOAD=wrapper(), NSS_WRAPPER_PASSWD=os.path.join(self.dir, "passwd"),
                    NSS_WRAPPER_GROUP=os.path.join(self.dir, "group"))

    def start(self):
        with open(os.path.join(self.dir, "out"), "wb") as out:
            self.process = subprocess.Popen([PROGRAM, "-C", os.path.join(self.dir, "exim.conf"), "-bdf"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment())
        wait_for(lambda: os.path.exists(os.path.join(self.dir, "exim.pid")) or self.process.poll() is not None,
                 "Exim to start")
        if self.process.poll() is not None:
            raise AssertionError("Exim ended:\n" + self.log())
        return self

    def stop(self):
        if self.process:
            end_process(self.process, signal.SIGTERM)
            self.process = None

    def log(self):
        text = ""
        for path in [os.path.join(self.dir, "out")] + glob.glob(os.path.join(self.dir, "log", "*")):
            with open(path, errors="replace") as f:
                text += f.read()
        return text

    def read(self, octets):
        return arrived(octets, (b"return-path", b"envelope-to", b"delivery-date"))
