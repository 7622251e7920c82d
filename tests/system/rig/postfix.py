"""A real Postfix in a private directory, as a smarthost: TLS, Cyrus SASL, delivery to files.

Nothing of the machine's own mail set-up is read or changed. Needs root: Postfix runs as its own user.
"""

import os
import pwd
import subprocess

from .arrived import MaildirHost, arrived
from .base import LOCAL, free_port, run, wait_for

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/maillog
maillog_file_prefixes = {dir}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = smarthost.test
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
message_size_limit = 104857600
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = smarthost.test
cyrus_sasl_config_path = {dir}/sasl
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_tls_loglevel = 1
smtpd_client_connection_count_limit = 0
virtual_mailbox_domains = example.org, example.net, example.com
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {dir}/mail
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""

MASTER = """\
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def is_possible():
    return os.geteuid() == 0 and os.path.exists("/usr/sbin/postfix")


class Postfix(MaildirHost):
    tls = "starttls"
    user = "relay@smarthost.test"
    password = "postfix password, with blanks"

    def __init__(self, directory, pair, more=""):
        """more: further lines of main.cf."""
        self.dir = directory
        self.mail = os.path.join(directory, "mail", "all", "new")
        self.port = None
        nobody = pwd.getpwnam("nobody")
        for name in ("queue", "data", "sasl", "mail"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        os.chown(os.path.join(directory, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(os.path.join(directory, "mail"), nobody.pw_uid, nobody.pw_gid)
        text = MAIN.format(dir=directory, chain=pair.chain, key=pair.key, uid=nobody.pw_uid, gid=nobody.pw_gid) + more
        # A key that is set twice is a warning of each program that reads it.
        self.write("main.cf", "".join({line.partition("=")[0]: line for line in text.splitlines(True)}.values()))
        self.choose_port()
        self.write("sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   "sasldb_path: %s/sasldb2\nmech_list: PLAIN LOGIN\n" % directory)
        self.add_user(*self.user.split("@"), self.password)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def choose_port(self):
        self.port = free_port()
        self.write("master.cf", MASTER.format(port="%s:%d" % (LOCAL, self.port)))

    def add_user(self, name, realm, password):
        db = os.path.join(self.dir, "sasldb2")
        run(["saslpasswd2", "-c", "-p", "-f", db, "-u", realm, name], data=password)
        os.chmod(db, 0o640)
        os.chown(db, -1, pwd.getpwnam("postfix").pw_gid)

    def start(self):
        for _ in range(10):
            done = run(["postfix", "-c", self.dir, "start"], check=False)
            # A connection of somebody else's may have got the port since it was found free.
            if done.returncode == 0 or "Address already in use" not in self.log():
                break
            os.remove(os.path.join(self.dir, "maillog"))
            self.choose_port()
        if done.returncode:
            raise AssertionError("Postfix does not start: %s%s%s" % (done.out, done.err, self.log()))
        wait_for(self.is_listening, "Postfix on port %d\n%s" % (self.port, self.log()))
        return self

    def is_listening(self):
        with open("/proc/net/tcp") as f:
            return any(line.split()[1].endswith(":%04X" % self.port) and line.split()[3] == "0A"
                       for line in f.readlines()[1:])

    def stop(self):
        subprocess.run(["postfix", "-c", self.dir, "stop"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)

    def log(self):
        try:
            with open(os.path.join(self.dir, "maillog"), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def read(self, octets):
        return arrived(octets, (b"return-path", b"delivered-to"))
