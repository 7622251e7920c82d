"""aiosmtpd as a smarthost that can do little: TLS, a login and SIZE; no 8BITMIME, SMTPUTF8, CHUNKING, PIPELINING or
enhanced codes, and lines of at most 998 octets.

`broken`: what was sent to it all the same.
"""

import ssl

from .base import LOCAL, free_port, wait_for
from .smarthost import Message

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult
    MISSING = None
except ImportError:
    Controller = AuthResult = None
    MISSING = "aiosmtpd is not installed"


def missing():
    return MISSING


class Handler:
    def __init__(self, host):
        self.host = host

    async def handle_EHLO(self, _, session, __, hostname, responses):
        session.host_name = hostname
        return [r for r in responses if r[4:] not in self.host.withheld]

    async def handle_DATA(self, _, __, envelope):
        message = Message(None, "" if envelope.mail_from == "<>" else envelope.mail_from)
        message.recipients = list(envelope.rcpt_tos)
        message.parameters = " ".join(envelope.mail_options)
        message.content = bytes(envelope.original_content)
        self.host.take(message)
        return "250 taken"


class AioSmtpd:
    tls = "starttls"
    user = "relay@smarthost.test"
    password = "aiosmtpd-password"

    def __init__(self, pair, withheld=("8BITMIME",), **options):
        self.withheld = withheld
        self.messages = []
        self.broken = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.chain, pair.key)
        settings = dict({"tls_context": context, "authenticator": self.authenticate, "auth_required": True,
                         "data_size_limit": 200 << 20, "server_hostname": "smarthost.test",
                         "enable_SMTPUTF8": False}, **options)
        self.port = free_port()
        self.controller = Controller(Handler(self), hostname=LOCAL, port=self.port, **settings)

    def authenticate(self, _, __, ___, ____, data):
        right = (data.login, data.password) == (self.user.encode(), self.password.encode())
        return AuthResult(success=right, handled=right)

    def start(self):
        self.controller.start()
        return self

    def stop(self):
        self.controller.stop()

    def take(self, message):
        if "8BITMIME" in self.withheld and not message.content.isascii():
            self.broken.append("8-bit content")
        if message.parameters:
            words = [w for w in message.parameters.split() if not w.startswith("SIZE=")]
            if words:
                self.broken.append("MAIL with " + " ".join(words))
        self.messages.append(message)

    def log(self):
        return "; ".join(self.broken)

    def wait(self, count=1, seconds=30):
        wait_for(lambda: len(self.messages) >= count, "%d messages at aiosmtpd" % count, seconds)
        if len(self.messages) > count:
            raise AssertionError("%d messages instead of %d" % (len(self.messages), count))
        return self.messages

    def clear(self):
        self.messages.clear()

    def next(self, seconds=30):
        message = self.wait(1, seconds)[0]
        self.messages.clear()
        return message
