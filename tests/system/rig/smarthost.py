"""A smarthost that keeps every message to the octet and can be told to misbehave.

`at` says what happens at a step: CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA BODY EOD RSET QUIT. The value is a
reply ("450 4.2.1 later"), CLOSE, STALL, or a function of (session, argument) that returns one of those,
or None for the usual answer. BODY comes after the first octets of a message's content.
"""

import base64
import re
import socket
import ssl
import threading
import time

from .base import LOCAL, family, free_port, wait_for

# A ">" may stand in a quoted local part, and in a parameter.
PATH = re.compile(r'\s*<((?:[^">]|"(?:[^"\\]|\\.)*")*)>(.*)')
CLOSE = object()
STALL = object()


class Message:
    def __init__(self, session, sender):
        self.session = session
        self.sender = sender
        self.recipients = []
        self.parameters = ""
        self.wire = b""  # as it came, stuffed, without the final dot
        self.content = b""

    def header(self):
        return self.content.split(b"\r\n\r\n", 1)[0] + b"\r\n"

    def body(self):
        return self.content.split(b"\r\n\r\n", 1)[1]

    def below_trace(self):
        """The content without its first field, which is the Received field of the relay."""
        lines = self.content.split(b"\r\n")
        if not lines[0].lower().startswith(b"received:"):
            raise AssertionError("the first line is %r" % lines[0])
        n = 1
        while lines[n][:1] in (b" ", b"\t"):
            n += 1
        return b"\r\n".join(lines[n:])

    def trace(self):
        """The first field, whole."""
        return self.content[:len(self.content) - len(self.below_trace())]


class Session:
    def __init__(self, host, sock, number):
        self.host = host
        self.sock = sock
        self.number = number
        self.tls = False
        self.tls_error = None
        self.ehlo = ""
        self.user = ""
        self.password = ""
        self.commands = []  # verbs, in order
        self.plaintext = b""  # every octet that came outside TLS
        self.buffer = b""
        self.message = None

    def receive(self):
        part = self.sock.recv(262144)
        if not part:
            raise ConnectionError("end of stream")
        if not self.tls:
            self.plaintext += part
        self.buffer += part

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "surrogateescape")

    def say(self, text):
        self.sock.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def start_tls(self):
        self.sock = self.host.context.wrap_socket(self.sock, server_side=True)
        self.tls = True
        self.buffer = b""

    def run(self):
        if self.host.tls == "implicit":
            self.start_tls()
        if not self.step("CONNECT", "", "220 %s ESMTP" % self.host.name):
            return
        while True:
            line = self.line()
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            self.commands.append(verb)
            handler = getattr(self, "do_" + verb.lower(), None)
            if handler is None:
                self.say("502 5.5.1 what is %s?" % verb)
            elif not handler(rest):
                return

    def step(self, name, argument, usual):
        """Says what is due at this step. False: the connection ends."""
        told = self.host.told(name, self, argument)
        if told is CLOSE:
            return False
        if told is STALL:
            self.host.stalled.release()
            self.sock.settimeout(None)
            while self.sock.recv(4096):
                pass
            return False
        self.say(usual if told is None else told)
        return told is None or told[0] == "2" or told[0] == "3" or None

    def do_ehlo(self, rest):
        self.ehlo = rest
        self.message = None
        words = [self.host.name] + [c for c in self.host.offers
                                    if not (c == "STARTTLS" and (self.tls or self.host.tls != "starttls"))]
        if self.host.mechanisms and (self.tls or self.host.tls == "none"):
            words.append("AUTH " + self.host.mechanisms)
        usual = "\r\n".join("250%s%s" % (" " if i == len(words) - 1 else "-", w)
                            for i, w in enumerate(words))
        return self.step("EHLO", rest, usual) is not False

    def do_starttls(self, rest):
        ok = self.step("STARTTLS", rest, "220 2.0.0 go on")
        if ok:
            self.start_tls()
        return ok is not False

    def do_auth(self, rest):
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            if not initial:
                self.say("334 ")
                initial = self.line()
            _, user, password = base64.b64decode(initial).decode().split("\0")
        elif mechanism.upper() == "LOGIN":
            if not initial:
                self.say("334 VXNlcm5hbWU6")
                initial = self.line()
            user = base64.b64decode(initial).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line()).decode()
        else:
            self.say("504 5.5.4 no such mechanism")
            return True
        usual = "535 5.7.8 wrong"
        if (user, password) == (self.host.user, self.host.password):
            usual = "235 2.7.0 welcome"
        ok = self.step("AUTH", user, usual)
        if ok and usual.startswith("235"):
            self.user, self.password = user, password
        return ok is not False

    def do_mail(self, rest):
        found = PATH.match(rest[len("FROM:"):])
        if not found:
            self.say("501 5.5.4 what is %s?" % rest)
            return True
        ok = self.step("MAIL", rest, "250 2.1.0 ok")
        if ok:
            self.message = Message(self, found[1])
            self.message.parameters = found[2].strip()
        return ok is not False

    def do_rcpt(self, rest):
        if self.message is None:
            self.say("503 5.5.1 MAIL first")
            return True
        path = rest[len("TO:"):].rpartition(">")[0].strip()[1:]
        ok = self.step("RCPT", path, "250 2.1.5 ok")
        if ok:
            self.message.recipients.append(path)
        return ok is not False

    def do_data(self, rest):
        if self.message is None or not self.message.recipients:
            self.say("554 5.5.1 no valid recipients")
            return True
        ok = self.step("DATA", rest, "354 go on")
        return self.content() if ok else ok is not False

    def content(self):
        """From 354 to the verdict."""
        while not self.buffer:
            self.receive()
        if self.host.has_told("BODY"):
            told = self.host.told("BODY", self, "")
            if told is CLOSE:
                return False
            if told is STALL:
                return self.step("BODY", "", "")
        parts, kept = [], b"\r\n"
        while True:
            # The end may lie across two parts: five octets are looked at twice.
            look = kept + self.buffer
            end = look.find(b"\r\n.\r\n")
            if end >= 0:
                break
            parts.append(look[:-4])
            kept, self.buffer = look[-4:], b""
            self.receive()
        parts.append(look[:end + 2])
        self.buffer = look[end + 5:]
        message, self.message = self.message, None
        message.wire = b"".join(parts)[2:]
        text = message.wire
        if text.startswith(b"."):
            text = text[1:]
        message.content = text.replace(b"\r\n.", b"\r\n")
        return self.verdict(message)

    def verdict(self, message):
        self.message = message
        told = self.host.told("EOD", self, message)
        self.message = None
        if told is None or (isinstance(told, str) and told[0] == "2"):
            self.host.keep(message)
        if told is CLOSE:
            return False
        if told is STALL:
            self.host.stalled.release()
            self.sock.settimeout(None)
            while self.sock.recv(4096):
                pass
            return False
        self.say(told or "250 2.0.0 ok, number %d" % len(self.host.messages))
        return True

    def do_rset(self, rest):
        self.message = None
        return self.step("RSET", rest, "250 2.0.0 ok") is not False

    def do_noop(self, _):
        self.say("250 2.0.0 ok")
        return True

    def do_quit(self, rest):
        self.step("QUIT", rest, "221 2.0.0 bye")
        return False


class Smarthost:
    """Listens until closed. down() and up() keep the port."""

    session = Session

    def __init__(self, pair=None, tls="starttls", user="relay", password="smarthost-password",
                 mechanisms="PLAIN LOGIN", offers=("PIPELINING", "SIZE 104857600", "8BITMIME", "STARTTLS",
                                                   "ENHANCEDSTATUSCODES"),
                 addresses=(LOCAL,)):
        self.name = "smarthost.test"
        self.tls = tls
        self.user, self.password = user, password
        self.mechanisms = mechanisms
        self.offers = list(offers)
        self.at = {}
        self.messages = []
        self.sessions = []
        self.stalled = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.addresses = addresses
        self.port = free_port(addresses)
        self.listeners = []
        self.context = None
        if pair:
            self.present(pair)
        self.up()

    def present(self, pair):
        """The certificate from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.chain, pair.key)
        self.context = context

    def up(self):
        for address in self.addresses:
            s = socket.socket(family(address), socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, self.port))
            s.listen(512)
            with self.lock:
                self.listeners.append(s)
            threading.Thread(target=self.accept, args=(s,), daemon=True).start()

    def down(self, drop=True):
        """No new connections; with `drop` those that are open end too."""
        with self.lock:
            listeners, self.listeners = self.listeners, []
        for s in listeners:
            s.shutdown(socket.SHUT_RDWR)
            s.close()
        if drop:
            self.drop()

    def drop(self):
        with self.lock:
            sessions = list(self.sessions)
        for session in sessions:
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.down()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                if listener not in self.listeners:  # down() has come in between
                    sock.close()
                    return
                session = self.session(self, sock, len(self.sessions))
                self.sessions.append(session)
            threading.Thread(target=self.serve, args=(session,), daemon=True).start()

    @staticmethod
    def serve(session):
        try:
            session.run()
        except ssl.SSLError as e:
            session.tls_error = e
        except (OSError, ValueError):
            pass
        finally:
            session.sock.close()

    def has_told(self, step):
        return step in self.at

    def told(self, step, session, argument):
        told = self.at.get(step)
        if callable(told):
            told = told(session, argument)
        return told

    def keep(self, message):
        message.at = time.monotonic()
        with self.lock:
            self.messages.append(message)

    def wait(self, count=1, seconds=20):
        """The messages, once there are that many; more than that is an error."""
        wait_for(lambda: len(self.messages) >= count,
                 "%d messages at the smarthost" % count, seconds)
        if len(self.messages) > count:
            raise AssertionError("%d messages instead of %d" % (len(self.messages), count))
        return self.messages

    def wait_for(self, fits, what, seconds=20):
        """The first message for which fits(message) is true."""
        return wait_for(lambda: next((m for m in list(self.messages) if fits(m)), None), what, seconds)

    def wait_stalled(self, seconds=20):
        from .base import PATIENCE
        if not self.stalled.acquire(timeout=seconds * PATIENCE):
            raise AssertionError("the smarthost was not reached")
