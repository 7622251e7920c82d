"""A small certificate authority, made by openssl(1) once per run of the tests."""

import os
import ssl

from .base import run

P256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]
NAMES = "DNS:relay.test,DNS:smarthost.test,DNS:localhost,IP:127.0.0.1,IP:::1"


class Pair:
    """A certificate chain and its key."""

    def __init__(self, directory, name):
        self.chain = os.path.join(directory, name + ".pem")
        self.key = os.path.join(directory, name + ".key")

    def der(self):
        with open(self.chain) as f:
            text = f.read()
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(text[:text.index(end) + len(end)])


class Authority:
    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.file = os.path.join(directory, name + ".pem")
        self.key = os.path.join(directory, name + ".key")

    def make(self):
        run(["openssl", "req", "-x509", "-nodes", "-days", "30", *P256, "-subj", "/CN=" + self.name,
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key,
             "-out", self.file])
        return self

    def issue(self, name, kind=P256, names=NAMES, days=20, usage="serverAuth"):
        """A certificate for `names`; days below 0: it ended that long ago."""
        pair = Pair(self.directory, name)
        request = os.path.join(self.directory, name + ".csr")
        extensions = os.path.join(self.directory, name + ".ext")
        with open(extensions, "w") as f:
            f.write("subjectAltName=%s\nbasicConstraints=critical,CA:false\n"
                    "extendedKeyUsage=%s\n" % (names, usage))
        run(["openssl", "req", "-new", "-nodes", *kind, "-subj", "/CN=" + name, "-keyout", pair.key,
             "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key,
             "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", pair.chain])
        os.chmod(pair.key, 0o600)
        return pair


class Certificates:
    """All that the tests use. make() writes them below a directory; later processes only name them."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = Authority(directory, "ca")
        self.stranger_ca = Authority(directory, "stranger-ca")
        for name in ("relay", "relay-rsa", "relay-new", "smarthost", "misnamed", "expired",
                     "stranger", "client-alice", "client-nobody", "client-stranger"):
            setattr(self, name.replace("-", "_"), Pair(directory, name))

    def make(self):
        os.makedirs(self.directory, exist_ok=True)
        self.ca.make()
        self.stranger_ca.make()
        self.ca.issue("relay")
        self.ca.issue("relay-rsa", RSA)
        self.ca.issue("relay-new")
        self.ca.issue("smarthost")
        self.ca.issue("misnamed", names="DNS:elsewhere.test")
        self.ca.issue("expired", days=-1)
        self.stranger_ca.issue("stranger")
        # Of clients: for alice, for nobody with an account, and by an authority that is not believed.
        self.ca.issue("client-alice", names="email:alice@example.com", usage="clientAuth")
        self.ca.issue("client-nobody", names="email:nobody@example.com", usage="clientAuth")
        self.stranger_ca.issue("client-stranger", names="email:alice@example.com", usage="clientAuth")
        return self

    def client_context(self, **versions):
        context = ssl.create_default_context(cafile=self.ca.file)
        for name, value in versions.items():
            setattr(context, name, value)
        return context
