"""The client's side of the mechanisms that need arithmetic, and what ties a login to its TLS connection."""

import base64
import hashlib
import hmac


def encoded(octets):
    return base64.b64encode(octets).decode()


def cram_md5(user, password, challenge):
    """RFC 2195; the challenge as it came, decoded."""
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return ("%s %s" % (user, digest)).encode()


def server_end_point(der):
    """RFC 5929 4.1 for a certificate that was signed with SHA-256."""
    return hashlib.sha256(der).digest()


class Scram:
    """SCRAM-SHA-256 (RFC 5802, 7677) step by step; binding: None, or a type and its octets.

    may_bind: without a binding the client says "y": it could, but believes that the server cannot."""

    def __init__(self, user, password, binding=None, nonce="fyko+d2lbbFgONRv9qkxdawL", may_bind=False):
        self.password = password
        self.binding = binding
        self.gs2 = "p=%s,," % binding[0] if binding else "y,," if may_bind else "n,,"
        self.bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), nonce)
        self.nonce = nonce
        self.signature = None

    def first(self):
        return (self.gs2 + self.bare).encode()

    def final(self, challenge):
        """The answer to the server's salt."""
        text = challenge.decode()
        fields = dict(f.split("=", 1) for f in text.split(","))
        if not fields["r"].startswith(self.nonce) or len(fields["r"]) <= len(self.nonce):
            raise AssertionError("not our nonce with more behind it: " + text)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"], validate=True),
                                     int(fields["i"]))
        data = self.gs2.encode() + (self.binding[1] if self.binding else b"")
        without_proof = "c=%s,r=%s" % (encoded(data), fields["r"])
        message = ",".join((self.bare, text, without_proof)).encode()

        def mac(key, what):
            return hmac.new(key, what, "sha256").digest()

        key = mac(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), message)))
        self.signature = mac(mac(salted, b"Server Key"), message)
        return ("%s,p=%s" % (without_proof, encoded(proof))).encode()

    def verify(self, challenge):
        """The server proves that it knows the verifier."""
        if challenge != b"v=" + encoded(self.signature).encode():
            raise AssertionError("the server's signature is wrong: %r" % challenge)
