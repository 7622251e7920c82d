"""A client that sends exactly what it is told, over plain text or TLS."""

import base64
import re
import socket
import ssl

from .base import LOCAL, PATIENCE, family


class Reply:
    def __init__(self, raw):
        self.raw = raw
        self.lines = [l[4:] for l in raw.decode("utf-8", "replace").split("\r\n")[:-1]]
        self.code = int(raw[:3])

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def status(self):
        """The enhanced code, "5.7.8"."""
        found = re.match(r"([245]\.\d{1,3}\.\d{1,3}) ", self.lines[-1] + " ")
        return found.group(1) if found else ""

    @property
    def ref(self):
        found = re.search(r"\(ref ([0-9A-Z]{13}-\d+)\)$", self.lines[-1])
        return found.group(1) if found else ""

    def __repr__(self):
        return "%d %s" % (self.code, self.text.replace("\n", " | "))


class Ended(ConnectionError):
    """The server closed the connection."""


def plain(user, password, authorize=""):
    return base64.b64encode(b"\0".join(s.encode() for s in (authorize, user, password))).decode()


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Client:
    def __init__(self, port, address=LOCAL, tls=None, context=None, name="relay.test", greet=True,
                 seconds=20, source=None):
        self.context = context
        self.name = name
        self.buffer = b""
        self.greeting = None
        self.offers = {}
        self.sock = socket.socket(family(address), socket.SOCK_STREAM)
        self.sock.settimeout(seconds * PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect((address, port))
        self.address = self.sock.getsockname()[:2]
        if tls == "implicit":
            self.start_tls()
        if greet:
            self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def start_tls(self):
        """The handshake; refuses octets that came before it."""
        if self.buffer:
            raise AssertionError("octets before the handshake: %r" % self.buffer)
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)

    # octets

    def send(self, octets):
        if isinstance(octets, str):
            octets = octets.encode("utf-8")
        self.sock.sendall(octets)

    def receive(self):
        try:
            part = self.sock.recv(65536)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as e:
            raise Ended(str(e)) from e
        if not part:
            raise Ended("end of stream")
        self.buffer += part

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line + b"\r\n"

    def reply(self):
        raw = b""
        while True:
            line = self.line()
            if not re.match(rb"[2345]\d\d[ -]", line):
                raise AssertionError("not a reply line: %r" % line)
            raw += line
            if line[3:4] == b" ":
                return Reply(raw)

    def rest(self):
        """Everything up to the end of the connection."""
        try:
            while True:
                self.receive()
        except Ended:
            pass
        rest, self.buffer = self.buffer, b""
        return rest

    def ended(self):
        """True once the server has closed and said nothing more."""
        return self.rest() == b""

    # the protocol

    def ask(self, line):
        self.send(line if isinstance(line, bytes) else line + "\r\n")
        return self.reply()

    def want(self, code, line):
        reply = self.ask(line)
        if reply.code != code:
            raise AssertionError("%r: wanted %d, got %r" % (line, code, reply))
        return reply

    def ehlo(self, name="client.example"):
        reply = self.want(250, "EHLO " + name)
        self.offers = {}
        for line in reply.lines[1:]:
            word, _, rest = line.partition(" ")
            self.offers[word.upper()] = rest
        return reply

    def starttls(self):
        self.want(220, "STARTTLS")
        self.start_tls()

    def login(self, user="alice", password="secret", mechanism="PLAIN"):
        """Returns the last reply, whatever it is."""
        if mechanism == "PLAIN":
            return self.ask("AUTH PLAIN " + plain(user, password))
        reply = self.ask("AUTH LOGIN")
        for prompt, answer in (("Username:", user), ("Password:", password)):
            if reply.code != 334:
                return reply
            if reply.text != b64(prompt):
                raise AssertionError("prompt %r" % reply.text)
            reply = self.ask(b64(answer))
        return reply

    def ready(self, tls="starttls", ehlo="client.example", user="alice", password="secret"):
        """Greeting to login in one go."""
        if self.greeting is not None and self.greeting.code != 220:
            raise AssertionError("greeting %r" % self.greeting)
        self.ehlo(ehlo)
        if tls == "starttls":
            self.starttls()
            self.ehlo(ehlo)
        reply = self.login(user, password)
        if reply.code != 235:
            raise AssertionError("login: %r" % reply)
        return self

    def envelope(self, sender="alice@example.com", recipients=("bob@example.org",), params=""):
        self.want(250, "MAIL FROM:<%s>%s" % (sender, params and " " + params))
        for recipient in recipients:
            self.want(250, "RCPT TO:<%s>" % recipient)

    def content(self, octets):
        """DATA and the content, dots stuffed; returns the verdict."""
        self.want(354, "DATA")
        return self.finish(octets)

    def finish(self, octets):
        self.send(stuffed(octets))
        return self.reply()

    def mail(self, octets, sender="alice@example.com", recipients=("bob@example.org",)):
        """A whole transaction that must succeed."""
        self.envelope(sender, recipients)
        reply = self.content(octets)
        if reply.code != 250:
            raise AssertionError("after the content: %r" % reply)
        return reply


def stuffed(octets):
    """The content as it goes over the wire, with the final dot."""
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    if octets.startswith(b"."):
        octets = b"." + octets
    return octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"
