"""A Kerberos realm of our own in a private directory."""

import os
import shutil
import subprocess

from .base import LOCAL, end_process, free_port, run, wait_for

PROGRAMS = ("krb5kdc", "kadmin.local", "kdb5_util", "kinit")

KRB5 = """\
[libdefaults]
	default_realm = EXAMPLE.COM
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	default_ccache_name = FILE:{dir}/ccache
[realms]
	EXAMPLE.COM = {{
		kdc = {address}:{port}
	}}
[domain_realm]
	relay.test = EXAMPLE.COM
	localhost = EXAMPLE.COM
"""

KDC = """\
[kdcdefaults]
	kdc_listen = {address}:{port}
	kdc_tcp_listen = {address}:{port}
[realms]
	EXAMPLE.COM = {{
		database_name = {dir}/principal
		key_stash_file = {dir}/stash
		max_life = 1h
		supported_enctypes = aes256-cts-hmac-sha1-96:normal
	}}
"""


def missing():
    """Why there is none, or None."""
    for program in PROGRAMS:
        if not shutil.which(program):
            return program + " is not installed"
    return None


class Realm:
    """EXAMPLE.COM. principal() makes one with a password, keytab() one with a key in a file."""

    def __init__(self, directory):
        self.dir = directory
        self.process = None
        self.port = free_port()
        for name, text in (("krb5.conf", KRB5), ("kdc.conf", KDC)):
            with open(os.path.join(directory, name), "w") as f:
                f.write(text.format(dir=directory, address=LOCAL, port=self.port))
        self.env = {"KRB5_CONFIG": os.path.join(directory, "krb5.conf"),
                    "KRB5_KDC_PROFILE": os.path.join(directory, "kdc.conf"),
                    "KRB5CCNAME": "FILE:" + os.path.join(directory, "ccache"),
                    "KRB5RCACHETYPE": "none"}

    def environment(self):
        return dict(os.environ, **self.env)

    def admin(self, command):
        return run(["kadmin.local", "-q", command], env=self.environment())

    def start(self):
        run(["kdb5_util", "create", "-s", "-P", "master"], env=self.environment())
        with open(os.path.join(self.dir, "kdc.log"), "wb") as log:
            self.process = subprocess.Popen(["krb5kdc", "-n"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment())
        return self

    def stop(self):
        if self.process:
            end_process(self.process)
            self.process = None

    def principal(self, name, password):
        self.admin('addprinc -pw "%s" %s' % (password, name))

    def keytab(self, principal, name):
        path = os.path.join(self.dir, name)
        self.admin("addprinc -randkey " + principal)
        self.admin("ktadd -k %s %s" % (path, principal))
        os.chmod(path, 0o600)
        return path

    def ticket(self, name, password):
        """For the programs that are run with environment()."""
        wait_for(lambda: run(["kinit", name], data=password + "\n", check=False,
                             env=self.environment()).returncode == 0, "a ticket for " + name, 10)
