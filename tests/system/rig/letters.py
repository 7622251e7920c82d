"""Messages of every kind that a smarthost may or may not take, and whether one that was converted still says the same."""

import base64
import email
import email.header
import email.policy
import hashlib
import os
import re
import tempfile

from .base import run
from .case import hard_body

UMLAUTS = "Gr\u00fc\u00dfe aus K\u00f6ln \u2013 100 \u20ac\r\n"


def head(subject, *more):
    """The fields that every message here has, and more."""
    fields = ["From: Alice <alice@example.com>", "To: Bob <bob@example.org>", "Subject: " + subject,
              "Date: Sat, 21 Nov 2026 20:00:00 +0100",
              "Message-ID: <%s@example.com>" % hashlib.sha1((subject + repr(more)).encode()).hexdigest()[:16]]
    return "".join(f + "\r\n" for f in fields + list(more)).encode() + b"\r\n"


def text(subject, body, encoding="8bit", charset="utf-8", *more):
    return head(subject, "MIME-Version: 1.0", "Content-Type: text/plain; charset=" + charset,
                "Content-Transfer-Encoding: " + encoding, *more) + body


def parts(*bodies):
    """The body of a multipart with the boundary "=x="."""
    return b"".join(b"--=x=\r\n" + b for b in bodies) + b"--=x=--\r\n"


def multipart(subject, kind, *bodies):
    return head(subject, "MIME-Version: 1.0", 'Content-Type: %s; boundary="=x="' % kind) + parts(*bodies)


def part(kind, body, encoding="8bit"):
    return ("Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (kind, encoding)).encode() + body + b"\r\n"


def plain():
    return text("plain", b"Noon?\r\n" * 20, "7bit", "us-ascii")


def utf8():
    return text("8bit", (UMLAUTS * 5 + "=3D is no escape here, and a space ends this line: \r\n").encode())


def latin1():
    return text("latin1", "Gr\u00fc\u00dfe aus K\u00f6ln\r\n".encode("latin-1"), "8bit", "iso-8859-1")


def untold():
    """8-bit, and no word of what it is: as scripts send it."""
    return head("untold") + UMLAUTS.encode()


def raw_header():
    return text("Gr\u00fc\u00dfe", b"seven bits\r\n", "7bit")


def mixed():
    return multipart("mixed", "multipart/mixed", part("text/plain; charset=utf-8", UMLAUTS.encode()),
                     part("application/octet-stream", bytes(b for b in range(1, 256) if b not in (10, 13)) * 3),
                     part("text/html; charset=us-ascii", b"<p>seven bits</p>", "7bit"))


def forwarded():
    return multipart("forwarded", "multipart/mixed", part("text/plain; charset=us-ascii", b"see below", "7bit"),
                     part("message/rfc822", text("inner", UMLAUTS.encode())))


SIGNATURE = part("application/pgp-signature", b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n-----END PGP SIGNATURE-----", "7bit")


def signed(body, encoding):
    kind = 'multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"'
    return multipart("signed", kind, part("text/plain; charset=utf-8", body, encoding), SIGNATURE)


def signed_7bit():
    return signed(b"From here it is signed =20\r\n.\r\nwith blanks at the end   \r\n", "7bit")


def signed_8bit():
    return signed(UMLAUTS.encode(), "8bit")


def lines_of(octets, encoding="7bit", charset="us-ascii"):
    return text("lines of %d" % octets, (b"x" * octets + b"\r\n") * 3 + b"the end\r\n", encoding, charset)


def dots():
    return text("dots", b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\nx.\r\n.. \r\n" + b"." * 998 + b"\r\n.\r\n", "7bit", "us-ascii")


def hard():
    return text("hard", hard_body(7, 60000))


def without_body():
    return head("nothing")


def binary():
    """Octets of every value, line ends of every kind: only BDAT can carry it."""
    return multipart("binary", "multipart/mixed", part("text/plain; charset=utf-8", UMLAUTS.encode()),
                     part("application/octet-stream", bytes(range(256)) * 40 + b"\r\n.\r\n\n\r\r\n" + b"\0" * 2000,
                          "binary"))


def file_name():
    """As Outlook for Mac and many web applications write it."""
    body = (b"Content-Type: text/plain; charset=us-ascii\r\nContent-Disposition: attachment;\r\n\tfilename=\"gr\xc3\xbc"
            b"\xc3\x9fe.txt\"\r\n\r\nseven bits\r\n")
    return multipart("file name", "multipart/mixed", part("text/plain; charset=us-ascii", b"see there", "7bit"), body)


def file_name_is_kept(octets):
    parts_of_it = list(parsed(octets).walk())
    name = parts_of_it[-1].get_filename()
    if str(email.header.make_header(email.header.decode_header(name))) != "gr\u00fc\u00dfe.txt":
        raise AssertionError("the file name became %r" % name)


def long_subject():
    """Beyond one encoded word, folded, beginning and ending in ASCII."""
    return text("Re: " + "Gr\u00fc\u00dfe " * 15 + "\r\n " + "und \u65e5\u672c\u8a9e " * 10 + "(fin)", b"seven bits\r\n", "7bit")


def long_field():
    return text("field", b"seven bits\r\n", "7bit", "us-ascii", "References: " + " ".join(
        "<%040d@example.com>" % i for i in range(30)))


def signed_beside_8bit():
    inner = signed_7bit().split(b"\r\n\r\n", 1)
    kind = [l for l in inner[0].split(b"\r\n") if l.startswith(b"Content-Type")][0].replace(b"=x=", b"=s=")
    signed_part = kind + b"\r\n\r\n" + inner[1].replace(b"=x=", b"=s=") + b"\r\n"
    return multipart("list", "multipart/mixed", signed_part,
                     part("text/plain; charset=utf-8", ("-- \r\n" + UMLAUTS).encode())), signed_part


def partial():
    return head("partial", "MIME-Version: 1.0", 'Content-Type: message/partial; id="a@example.com"; number=2; total=3'
                ) + UMLAUTS.encode()


def preamble():
    return multipart("preamble", "multipart/mixed", part("text/plain; charset=us-ascii", b"seven bits", "7bit")).replace(
        b"\r\n\r\n--=x=", "\r\n\r\nDiese Nachricht enth\u00e4lt Teile.\r\n--=x=".encode(), 1) + "Gru\u00df\r\n".encode()


def utf8_sender():
    return plain().replace(b"From: Alice <alice@example.com>", "From: J\u00f6rg <j\u00f6rg@example.com>".encode())


def one_line_base64():
    """What PHP scripts send that forget chunk_split()."""
    return multipart("base64", "multipart/mixed", part("text/plain; charset=us-ascii", b"see there", "7bit"),
                     part("application/pdf", base64.b64encode(bytes(range(256)) * 20), "base64"))


def long_quoted_printable():
    return text("qp", b"Gr=C3=BC=C3=9Fe " * 200 + b"\r\nthe end\r\n", "quoted-printable")


def long_html():
    return head("html", "MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8",
                "Content-Transfer-Encoding: 8bit") + ("<p>" + "Gr\u00fc\u00dfe " * 800 + "</p>\r\n").encode()


class Dkim:
    """Signs and verifies simple/simple (RFC 6376), by openssl(1)."""

    FIELDS = ("from", "to", "subject", "date", "message-id")

    def __init__(self, directory):
        self.key = os.path.join(directory, "dkim.key")
        self.public = os.path.join(directory, "dkim.pub")
        self.directory = directory
        run(["openssl", "genrsa", "-out", self.key, "2048"])
        run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", self.public])

    @staticmethod
    def body_hash(octets):
        body = octets.split(b"\r\n\r\n", 1)[1]
        body = re.sub(rb"(\r\n)*$", b"", body) + b"\r\n"
        return base64.b64encode(hashlib.sha256(body).digest())

    def signed_part(self, octets, signature):
        """The fields that are signed, then the signature's own field without its b= and its line end."""
        fields = re.findall(rb"(?s)([^:\r\n]+:.*?\r\n(?![ \t]))", octets.split(b"\r\n\r\n", 1)[0] + b"\r\n")
        names = {f.split(b":")[0].decode().lower(): f for f in fields}
        return b"".join(names[n] for n in self.FIELDS) + signature

    def sign(self, octets):
        field = (b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=test;\r\n\th="
                 + ":".join(self.FIELDS).encode() + b";\r\n\tbh=" + self.body_hash(octets) + b";\r\n\tb=")
        made = run(["openssl", "dgst", "-sha256", "-sign", self.key], data=self.signed_part(octets, field))
        return field + base64.b64encode(made.stdout) + b"\r\n" + octets

    def verify(self, octets):
        found = re.search(rb"(?s)(DKIM-Signature:.*?\tb=)([A-Za-z0-9+/=]+)\r\n", octets)
        if not found or b"bh=" + self.body_hash(octets) + b";" not in found[1]:
            raise AssertionError("the body has changed")
        with tempfile.NamedTemporaryFile(dir=self.directory) as f:  # of its own: threads verify side by side
            f.write(base64.b64decode(found[2]))
            f.flush()
            run(["openssl", "dgst", "-sha256", "-verify", self.public, "-signature", f.name],
                data=self.signed_part(octets, found[1]))


# What stays true of a message that was converted.

def parsed(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def line_ends(octets):
    return re.sub(rb"\r\n|\r|\n", b"\n", octets).rstrip(b"\n")


def outline(message, is_text_only=True):
    """Each part: its type and its decoded octets, in order."""
    out = []
    for each in message.walk():
        kind = each.get_content_type()
        if each.is_multipart():
            out.append((kind, None))
            continue
        octets = each.get_payload(decode=True) or b""
        out.append((kind, line_ends(octets) if kind.startswith("text/") else octets))
    return out


def encodings(message):
    return sorted({str(p["Content-Transfer-Encoding"]).lower() for p in message.walk()
                   if not p.is_multipart() and p["Content-Transfer-Encoding"]})


def same_meaning(sent, came, is_7bit):
    """Raises when a reader would see something else, or when it is not fit to be sent; returns how it was
    converted."""
    before, after = parsed(sent), parsed(came)
    if outline(before) != outline(after):
        raise AssertionError("decoded content differs:\n%.3000r\n%.3000r" % (outline(before), outline(after)))
    if before.is_multipart() and before.get_boundary() != after.get_boundary():
        raise AssertionError("another boundary")
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        raw = re.search(rb"(?im)^" + name.encode() + rb": (.*?)\r\n(?![ \t])", sent)
        if raw and str(after[name]) != raw[1].replace(b"\r\n", b"").decode():
            raise AssertionError("%s became %r" % (name, str(after[name])))
    if b"\0" in came or (is_7bit and not came.isascii()):
        raise AssertionError("octets are left that may not be")
    longest = max(len(l) for l in came.split(b"\r\n"))
    if longest > 998 or b"\n" in came.replace(b"\r\n", b"") or b"\r" in came.replace(b"\r\n", b""):
        raise AssertionError("a line of %d octets, or a line end alone" % longest)
    if b"=_?" in came.split(b"\r\n\r\n", 1)[0]:
        raise AssertionError("a broken encoded word")
    changed = sorted(set(encodings(after)) - set(encodings(before)))
    if came.split(b"\r\n\r\n", 1)[0].count(b"=?") > sent.split(b"\r\n\r\n", 1)[0].count(b"=?"):
        changed.append("encoded words")
    return ", ".join(changed) or "changed"
