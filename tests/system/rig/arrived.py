"""Messages as a mail server has put them into files."""

import os

from .base import wait_for
from .smarthost import Message

ENVELOPE_FIELDS = (b"x-original-to", b"envelope-to")


def arrived(octets, own):
    """A delivered file as a Message: the fields of the server's own, and its Received field, which is the
    last of them, are taken off the top."""
    message = Message(None, "")
    octets = octets.replace(b"\n", b"\r\n")
    at, is_last = 0, False
    while not is_last:
        end = octets.index(b"\r\n", at) + 2
        while octets[end:end + 1] in (b" ", b"\t"):
            end = octets.index(b"\r\n", end) + 2
        name, _, value = octets[at:end].partition(b":")
        value = value.strip().decode("utf-8", "surrogateescape")
        is_last = name.lower() == b"received"
        if name.lower() == b"return-path":
            message.sender = value[1:-1]
        elif name.lower() in ENVELOPE_FIELDS:
            message.recipients.append(value)
        elif name.lower() not in own and not is_last:
            raise AssertionError("unexpected field on top: %r" % octets[at:end])
        at = end
    message.content = octets[at:]
    return message


class MaildirHost:
    """A server that delivers into the directory `mail`."""

    def files(self):
        try:
            return sorted(os.path.join(self.mail, n) for n in os.listdir(self.mail))
        except FileNotFoundError:
            return []

    @property
    def messages(self):
        out = []
        for path in self.files():
            with open(path, "rb") as f:
                out.append(self.read(f.read()))
        return out

    def wait(self, count=1, seconds=30):
        """The messages, once there are that many; more than that is an error."""
        try:
            wait_for(lambda: len(self.files()) >= count, "%d messages in the mailbox" % count, seconds)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, self.log()[-3000:])) from e
        if len(self.files()) > count:
            raise AssertionError("%d messages instead of %d" % (len(self.files()), count))
        return self.messages

    def clear(self):
        """What has come by mistake is not to be taken for what comes next."""
        for path in self.files():
            os.unlink(path)

    def next(self, seconds=30):
        """The one message that has come; it is taken out, so that the next is alone again."""
        message = self.wait(1, seconds)[0]
        os.unlink(self.files()[0])
        return message
