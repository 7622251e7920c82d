"""Plays what a mail program says, octet for octet, and reads the answers as strictly as the strictest of them.

A trace is text, one step a line (traces/README tells the whole of it):

    C: EHLO laptop          a line of the client; several in a row go out in one segment
    C. \\x80\\x2e             octets without a line end
    D: Subject: lunch       a line of the content, as it goes over the wire
    S: 250 ^Accepted        a reply to the oldest line unanswered: its code, and what its text looks like
    + ^SIZE \\d+$            one line of that reply looks so
    - ^AUTH                 none does
    TLS 1.0                 the handshake
"""

import base64
import os
import re
import socket
import ssl
import struct

from .base import LOCAL, PATIENCE
from .sasl import Scram, cram_md5, encoded, server_end_point

LINE_MOST = 512
STATUS = re.compile(r"([245])\.\d{1,3}\.\d{1,3} ")
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SETTINGS = ("source", "daemon", "port")
CHECKS = ("arrives", "content", "log")


class Step:
    def __init__(self, number, kind, text):
        self.number = number
        self.kind = kind
        self.text = text
        self.has, self.lacks = [], []


class Trace:
    """A file, parsed. settings: what stands on top; checks: what must be true afterwards."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.settings = {"port": "starttls", "daemon": "plain"}
        self.sources, self.steps, self.checks = [], [], []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.take(number, line.rstrip("\n"))
        if not self.sources:
            raise AssertionError("%s: no source is named" % path)

    def take(self, number, line):
        if not line.strip() or line.startswith("#"):
            return
        head, _, rest = line.partition(":")
        if head in SETTINGS:
            if head == "source":
                self.sources.append(rest.strip())
            self.settings[head] = rest.strip()
        elif head in CHECKS:
            self.checks.append((number, head, rest.strip()))
        elif line[:2] in ("C:", "C.", "D:", "D.", "S:", "W:"):
            self.steps.append(Step(number, line[:2], line[3:]))
        elif line[:2] in ("+ ", "- ") and self.steps and self.steps[-1].kind == "S:":
            (self.steps[-1].has if line[0] == "+" else self.steps[-1].lacks).append(line[2:])
        elif line.split()[0] in ("TLS", "RST", "CLOSE", "END"):
            words = line.split(None, 1)
            self.steps.append(Step(number, words[0], words[1] if len(words) > 1 else ""))
        else:
            raise AssertionError("%s:%d: no such step: %s" % (self.path, number, line))


def unescaped(text):
    r"""\xNN, \r, \n, \0 and \\; the rest is UTF-8."""
    plain = {"r": b"\r", "n": b"\n", "0": b"\0", "t": b"\t", "\\": b"\\"}
    out = b""
    for literal, escape in re.findall(r"([^\\]+)|\\(x[0-9A-Fa-f]{2}|.)", text):
        if literal:
            out += literal.encode()
        else:
            out += bytes([int(escape[1:], 16)]) if escape[0] == "x" else plain[escape]
    return out


class Strict:
    """What some program or other takes for granted of every reply. Reasons in clients.md 1.3, and here."""

    @staticmethod
    def look(raw, command):
        lines = raw.split(b"\r\n")[:-1]
        code = int(raw[:3])
        problems = []
        for line in lines:
            # PHPMailer and msmtp read into buffers; RFC 5321 4.5.3.1.5.
            if len(line) + 2 > LINE_MOST:
                problems.append("a line of %d octets" % (len(line) + 2))
            if not re.fullmatch(rb"[245]\d\d[ -][\x20-\x7e]*|334 [A-Za-z0-9+/=]*|354 [\x20-\x7e]*", line):
                problems.append("no reply line: %r" % line)
            if int(line[:3]) != code:
                problems.append("two codes in one reply")
        verb = command.split(b" ")[0].split(b":")[0].upper() if command is not None else b""
        statuses = {(STATUS.match(l[4:].decode("ascii", "replace") + " ") or [None])[0] for l in lines}
        if code >= 400:
            if len(lines) != 1:
                problems.append("a refusal of %d lines" % len(lines))  # old programs: Exim's specification
            if None in statuses:
                problems.append("no enhanced code")
        if verb not in (b"EHLO", b"HELO", b"") and code // 100 != 3:
            # Thunderbird for Android ends the session when they differ.
            if len(statuses) != 1 or None in statuses:
                problems.append("enhanced codes %s" % statuses)
        status = next(iter(statuses))
        if status and int(status[0]) != code // 100:
            problems.append("enhanced code %s of a %d" % (status, code))
        Strict.look_at_verb(verb, command, code, raw, problems)
        if problems:
            raise AssertionError("%s in %r" % ("; ".join(problems), raw))

    @staticmethod
    def look_at_verb(verb, command, code, raw, problems):
        if verb == b"RCPT" and code >= 500 and code not in (500, 503, 530):
            # Eudora takes the address from our text.
            address = re.sub(rb"(?i)^RCPT TO: *<?([^> ]*)>?.*$", rb"\1", command)
            if b"<" + address + b">" not in raw:
                problems.append("the recipient is not named")
        # smtplib wants exactly this one.
        if verb in (b"MAIL", b".") and code // 100 == 2 and code != 250:
            problems.append("%d instead of 250" % code)


class Player:
    """One trace against one daemon."""

    def __init__(self, trace, port, context):
        self.trace = trace
        self.context = context
        self.buffer = b""
        self.outgoing = b""
        self.unanswered = [None]  # the greeting answers no command
        self.challenge = b""
        self.reason = ""  # of the last refusal, without its codes and its reference
        self.scram = None
        self.content = b""
        self.sock = socket.create_connection((LOCAL, port), timeout=20 * PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def play(self):
        for i, step in enumerate(self.trace.steps):
            try:
                self.do(i, step)
            except (AssertionError, OSError, KeyError, ValueError) as e:
                raise AssertionError("%s:%d: %s %s: %s: %s" % (os.path.basename(self.trace.path), step.number,
                                                               step.kind, step.text, type(e).__name__, e)) from e
        self.flush()
        self.sock.close()

    def stop(self):
        """However far it came."""
        try:
            self.sock.close()
        except OSError:
            pass

    def do(self, i, step):
        handler = {"C:": self.say, "C.": self.say, "D:": self.tell, "D.": self.tell, "S:": self.hear,
                   "W:": self.hear_octets, "TLS": self.start_tls, "RST": self.reset, "CLOSE": self.close,
                   "END": self.end}[step.kind]
        handler(i, step)

    # what is sent

    def say(self, i, step):
        line = unescaped(self.computed(i, step.text))
        if step.kind == "C:":
            self.unanswered.append(line)
            line += b"\r\n"
        self.outgoing += line

    def tell(self, _, step):
        octets = unescaped(step.text) + (b"\r\n" if step.kind == "D:" else b"")
        self.content += octets
        self.outgoing += octets

    def computed(self, i, text):
        return re.sub(r"\{([a-z0-9-]+)((?::[^}]*)?)\}", lambda m: self.expression(i, m[1], m[2][1:]), text)

    def expression(self, i, name, argument):
        if name == "octets":
            return str(self.next_content(i))
        if name == "zeros":
            return "A" * int(argument)
        words = argument.split(":")
        if name == "cram":
            return encoded(cram_md5(words[0], words[1], self.challenge))
        if name == "b64":
            return encoded(unescaped(argument))
        if name == "plain":
            return encoded(b"\0" + unescaped(words[0]) + b"\0" + unescaped(words[1]))
        if name == "scram":
            binding = None
            if len(words) > 2:
                binding = (words[2], server_end_point(self.sock.getpeercert(True)))
            self.scram = Scram(words[0], words[1], binding)
            return encoded(self.scram.first())
        if name == "scram-final":
            return encoded(self.scram.final(self.challenge))
        if name == "scram-verify":
            self.scram.verify(self.challenge)
            return ""
        raise AssertionError("no such expression: " + name)

    def next_content(self, i):
        """Octets of the content that comes next."""
        size = 0
        for step in self.trace.steps[i + 1:]:
            if step.kind in ("D:", "D."):
                size += len(unescaped(step.text)) + (2 if step.kind == "D:" else 0)
            elif size:
                break
        return size

    def flush(self):
        if self.outgoing:
            self.sock.sendall(self.outgoing)
            self.outgoing = b""

    # what is heard

    def receive(self):
        part = self.sock.recv(65536)
        if not part:
            raise AssertionError("the connection ended; unread: %r" % self.buffer)
        self.buffer += part

    def raw_reply(self):
        raw = b""
        while True:
            while b"\r\n" not in self.buffer:
                self.receive()
            line, self.buffer = self.buffer.split(b"\r\n", 1)
            raw += line + b"\r\n"
            if line[3:4] != b"-":
                return raw

    def hear(self, _, step):
        self.flush()
        raw = self.raw_reply()
        command = self.unanswered.pop(0)
        Strict.look(raw, command)
        text = raw.decode("ascii")
        lines = [l[4:] for l in text.split("\r\n")[:-1]]
        code, _, pattern = step.text.partition(" ")
        pattern = pattern.replace("{reason}", re.escape(self.reason))
        if text[:3] != code:
            raise AssertionError("%r answered %r" % (command, text))
        if pattern.startswith("="):
            if lines != [pattern[1:]]:
                raise AssertionError("text %r" % lines)
        elif pattern and not re.search(pattern, "\n".join(lines)):
            raise AssertionError("%r answered %r" % (command, text))
        for pattern in step.has:
            if not any(re.search(pattern, l) for l in lines):
                raise AssertionError("no line like %r in %r" % (pattern, text))
        for pattern in step.lacks:
            if any(re.search(pattern, l) for l in lines):
                raise AssertionError("a line like %r in %r" % (pattern, text))
        if code[0] in "45":
            self.reason = re.sub(r"^[45]\.\d+\.\d+ | \(ref [^)]*\)$", "", lines[0])
        if code == "334":
            self.challenge = base64.b64decode(lines[0], validate=True)

    def hear_octets(self, _, step):
        """The very next octets begin so: below SMTP, a TLS record."""
        self.flush()
        want = unescaped(step.text)
        while len(self.buffer) < len(want):
            self.receive()
        if not self.buffer.startswith(want):
            raise AssertionError("%r instead of %r" % (self.buffer[:len(want)], want))

    def end(self, _, step):
        """The server closes and says nothing more."""
        self.flush()
        if self.unanswered and step.text != "unanswered":
            raise AssertionError("unanswered: %r" % self.unanswered)
        try:
            while True:
                part = self.sock.recv(65536)
                if not part:
                    break
                self.buffer += part
        except (ConnectionResetError, ssl.SSLError):
            pass
        if self.buffer:
            raise AssertionError("more came: %r" % self.buffer)

    # the connection

    def start_tls(self, _, step):
        self.flush()
        if self.buffer:
            raise AssertionError("octets before the handshake: %r" % self.buffer)
        if step.text:
            self.context.minimum_version = self.context.maximum_version = VERSIONS[step.text]
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.sock = self.context.wrap_socket(self.sock, server_hostname="relay.test")

    def reset(self, _, __):
        """As Outlook ends: no close_notify, and RST instead of FIN."""
        self.flush()
        raw = socket.socket(fileno=self.sock.detach()) if isinstance(self.sock, ssl.SSLSocket) else self.sock
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    def close(self, _, __):
        """FIN without close_notify."""
        self.flush()
        raw = socket.socket(fileno=self.sock.detach()) if isinstance(self.sock, ssl.SSLSocket) else self.sock
        raw.close()

    def sent_content(self):
        """What the smarthost should get below our trace: unstuffed, lone line feeds made line ends."""
        octets = re.sub(rb"(?<!\r)\n", b"\r\n", self.content)
        if octets.startswith(b".."):
            octets = octets[1:]
        return octets.replace(b"\r\n..", b"\r\n.")
