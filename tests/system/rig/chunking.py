"""The rig's smarthost, one that knows BDAT besides (RFC 3030)."""

from .smarthost import Session, Smarthost


class ChunkSession(Session):

    def do_bdat(self, rest):
        words = rest.split()
        octets = int(words[0])
        while len(self.buffer) < octets:
            self.receive()
        piece, self.buffer = self.buffer[:octets], self.buffer[octets:]
        if self.message is None or not self.message.recipients:
            self.say("503 5.5.1 no valid recipients")
            return True
        self.message.chunks = getattr(self.message, "chunks", []) + [octets]
        self.message.content += piece
        if len(words) == 1:
            self.say("250 2.0.0 %d octets" % octets)
            return True
        message, self.message = self.message, None
        message.wire = message.content
        return self.verdict(message)


class ChunkingSmarthost(Smarthost):
    session = ChunkSession
