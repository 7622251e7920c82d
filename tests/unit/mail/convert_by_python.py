"""Converts random messages (the same in every run) and reads both with Python's own mail parser: what each part
decodes to stays what it was, as do the parts themselves and what the header fields say; what need not change stays
octet for octet; and what comes out is fit for its path, and no larger than foretold."""
import email
import email.policy
import random
import re
import subprocess
import sys

EIGHTBIT, EIGHTBIT_HEADER, LONG_LINES, BINARY = 1, 2, 4, 8
MESSAGES = 150
WORDS = ['plain', 'Grüße', 'x', 'žluťoučký', '日本語', '=?utf-8?q?=C3=A4h?=', 'a=b', '(par)', 'Ж', '🙂🙂', 'und', 'mehr', '=?', '_',
         'donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen']
NAMES = ['Jürgen', 'Müller, Hans', 'Ann', 'O. "the" One', '山田', 'de la Peña']
HOSTS = {'example.com': 'example.com', 'bücher.example': 'xn--bcher-kva.example'}

random_ = random.Random(20261122)
one_of = random_.choice


def chance(part):
    return random_.random() < part


class Converter:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def convert(self, octets, takes, is_binary, piece=0):
        self.process.stdin.write(b'%d %d %d %d\n' % (takes, is_binary, piece, len(octets)) + octets)
        self.process.stdin.flush()
        word, *rest = self.process.stdout.readline().decode().split()
        if word != 'ok':
            return None, ' '.join(rest)
        size, foretold = map(int, rest)
        return self.process.stdout.read(size), foretold


def fail(what, before, after):
    sys.stdout.buffer.write(b'--- before\n%s\n--- after\n%s\n' % (before, after or b'(refused)'))
    sys.exit(what)


# Messages

def text_line():
    return ' '.join(one_of(WORDS) for _ in range(random_.randrange(1, 9)))


def text_body(charset):
    lines = []
    for _ in range(random_.randrange(0, 6)):
        lines.append(one_of([text_line, text_line, lambda: '.', lambda: 'From here', lambda: '-- ', lambda: '',
                             lambda: 'ab ' * one_of([10, 400]), lambda: 'trailing \t'])())
    return '\r\n'.join(lines).encode(charset, 'replace') + one_of([b'', b'\r\n'])


def binary_body(is_binary):
    octets = bytes(random_.randrange(256) for _ in range(random_.randrange(200)))
    octets = octets.replace(b'--', b'__')
    return octets if is_binary else re.sub(rb'[\r\n\0]', b'.', octets)


def encoded_text(text):
    """What a reader is to see of words of which some are encoded already."""
    return text.replace('=?utf-8?q?=C3=A4h?=', 'äh')


def leaf(is_binary):
    fields = []
    kind = one_of(['text', 'latin', 'default', 'data', 'base64', 'quoted'])
    if kind == 'text':
        fields.append((b'Content-Type', b'text/%s; charset=utf-8' % one_of([b'plain', b'html'])))
        body = text_body('utf-8')
    elif kind == 'latin':
        fields.append((b'Content-Type', b'text/plain;\r\n charset="iso-8859-1" (Latin)'))
        body = text_body('latin-1')
    elif kind == 'default':
        body = text_body(one_of(['utf-8', 'latin-1']))
    elif kind == 'data':
        fields.append((b'Content-Type', b'application/octet-stream'))
        body = binary_body(is_binary)
    elif kind == 'base64':
        fields.append((b'Content-Transfer-Encoding', b'base64'))
        fields.append((b'Content-Type', b'image/png'))
        body = one_of([b'', b'\xfc']) + b'QUJD' * random_.randrange(30) + one_of([b'', b'\r\n', b'QUJD' * 300])
    else:
        fields.append((b'Content-Transfer-Encoding', b'Quoted-Printable'))
        fields.append((b'Content-Type', b'text/plain; charset=utf-8'))
        body = b'=C3=BC' * random_.randrange(200) + one_of([b'', b'=\r\n', 'ü'.encode()]) + b'ende'
    if kind not in ('base64', 'quoted') and chance(0.5):
        fields.append((b'Content-Transfer-Encoding', b'binary' if is_binary else one_of([b'8bit', b'8bit (x)', b'7bit'])))
    if chance(0.3):
        fields.append((b'Content-Disposition', b'attachment; filename="%s"' % one_of(
            ['a.txt', 'Größe.pdf', 'ein sehr langer Name voller Umlaute äöüäöüäöüäöüäöüäöüäöüäöü.pdf']).encode()))
    return fields, body


def multipart(depth, is_binary):
    boundary = one_of([b'b%d' % depth, b'=_%d x' % depth, b'b', b'b%dlonger' % depth]) + b'.%d' % random_.randrange(10**6)
    subtype = one_of([b'mixed', b'alternative', b'digest'])
    fields = [(b'Content-Type', b'multipart/%s;\r\n\tboundary="%s"' % (subtype, boundary))]
    if chance(0.4):
        fields.append((b'Content-Transfer-Encoding', b'binary' if is_binary else b'8bit'))
    body = one_of([b'', 'Vorwort ü\r\n'.encode(), b'x' * 1500 + b'\r\n'])
    for _ in range(random_.randrange(1, 4)):
        child = message(depth + 1, is_binary) if subtype == b'digest' else part(depth + 1, is_binary)
        if subtype == b'digest':
            child = b'\r\n' + child
        body += b'--' + boundary + one_of([b'', b' ']) + b'\r\n' + child + b'\r\n'
    return fields, body + b'--' + boundary + b'--\r\n' + one_of([b'', 'Nachwort ü\r\n'.encode()])


def entity(depth, is_binary):
    if depth < 4 and chance(0.45):
        return multipart(depth, is_binary)
    if depth < 4 and chance(0.15):
        return [(b'Content-Type', b'message/rfc822')], message(depth + 1, is_binary)
    return leaf(is_binary)


def join(fields, body):
    return b''.join(b'%s: %s\r\n' % field for field in fields) + b'\r\n' + body


def part(depth, is_binary):
    return join(*entity(depth, is_binary))


def address():
    name, host = one_of(NAMES), one_of(list(HOSTS))
    return name, 'local%d@%s' % (random_.randrange(9), host)


def format_address(name, spec):
    escaped = name.replace('\\', '\\\\').replace('"', '\\"')
    return '%s <%s>' % (name if name.replace(' ', '').isalnum() else '"%s"' % escaped, spec)


def message(depth, is_binary, says=None):
    subject = text_line()
    people = [address() for _ in range(random_.randrange(1, 30))]
    fields = [(b'Subject', subject.encode()),
              (b'To', one_of([', ', ',', ',\r\n ']).join(format_address(*person) for person in people).encode())]
    if chance(0.7):
        fields.append((b'MIME-Version', b'1.0'))
    more, body = entity(depth, is_binary)
    if says is not None:
        says.update(subject=subject, people=people)
    fields += more
    return join(fields, body)


# What is to hold

def shape(found):
    """Types of parts and what they decode to."""
    if found.is_multipart():
        return [found.get_content_type()] + [shape(part) for part in found.get_payload()]
    return found.get_content_type(), filename(found), found.get_payload(decode=True)


def filename(found):
    """Python itself makes question marks of raw UTF-8."""
    raw = dict(found.raw_items()).get('Content-Disposition', '').encode('utf-8', 'surrogateescape').decode()
    plain = re.search(r'filename="([^"]*)"', raw)
    return plain.group(1) if plain else found.get_filename()


def is_dirty(octets, takes):
    return ((not octets.isascii() and not takes & EIGHTBIT)
            or (any(len(line) > 998 for line in octets.split(b'\r\n')) and not takes & LONG_LINES)
            or (re.search(rb'\0|\r(?!\n)|(?<!\r)\n', octets) is not None and not takes & BINARY))


def clean_leaves(octets, takes, found=None):
    """The raw octets of parts without parts, found by their delimiters alone."""
    boundaries = [mark.group(1) for mark in re.finditer(rb'boundary="([^"]+)"', octets)]
    if not boundaries:
        return []
    pieces = re.split(rb'\r\n--(?:%s)(?:--)? ?\r\n' % b'|'.join(map(re.escape, boundaries)), octets)
    return [piece for piece in pieces[1:] if piece.isascii() and not is_dirty(piece, takes)
            and b'boundary=' not in piece and b'rfc822' not in piece and b'Subject:' not in piece
            and b'binary' not in piece]


def check_subject(says, header):
    """Adjacent encoded words of the sender's own lose the space between them, before as after."""
    wanted = encoded_text(re.sub(r'(=\?utf-8\?q\?=C3=A4h\?=) (?==\?utf-8)', r'\1', says['subject']))
    return str(header['Subject']) == wanted


def check_people(says, header):
    found = [(one.display_name, one.addr_spec) for one in header['To'].addresses]
    wanted = []
    for name, spec in says['people']:
        local, _, host = spec.partition('@')
        wanted.append((name, local + '@' + HOSTS[host]))
    return found == wanted


def check_octets(before, after, takes, is_binary, foretold):
    if is_dirty(after, takes):
        fail('not fit for its path', before, after)
    if len(after) > foretold:
        fail('%d octets, %d foretold' % (len(after), foretold), before, after)
    header = after.partition(b'\r\n\r\n')[0]
    if not takes & EIGHTBIT_HEADER and not header.isascii():
        fail('a header beyond ASCII', before, after)
    if any(len(line) > 78 for line in header.split(b'\r\n') if b'=?' in line) and not takes & EIGHTBIT_HEADER:
        fail('a header line with encoded words is too long', before, after)
    if is_binary and not takes & BINARY and b'ncoding: binary' in after:
        fail('still labelled as binary', before, after)
    for piece in clean_leaves(before, takes):
        if piece not in after:
            fail('a clean part was touched: %r' % piece, before, after)


def arrived(after, takes, is_binary):
    """Octets are sent as lines where BINARYMIME is not taken: the last one has a CRLF then."""
    is_cut = is_binary and not takes & BINARY and not after.endswith(b'\r\n')
    return after + b'\r\n' if is_cut else after


def check(converter, before, takes, is_binary, says):
    after, foretold = converter.convert(before, takes, is_binary)
    if after is None:
        fail('refused: ' + foretold, before, after)
    if converter.convert(before, takes, is_binary, random_.randrange(1, 40)) != (after, foretold):
        fail('pieces make a difference', before, after)
    check_octets(before, after, takes, is_binary, foretold)
    read = shape(email.message_from_bytes(arrived(after, takes, is_binary)))
    if shape(email.message_from_bytes(before)) != read:
        fail('reads differently: %r, %r' % (shape(email.message_from_bytes(before)), read), before, after)
    if takes & EIGHTBIT and takes & EIGHTBIT_HEADER:
        return after != before
    header = email.message_from_bytes(after.partition(b'\r\n\r\n')[0] + b'\r\n\r\n', policy=email.policy.SMTP)
    if not check_subject(says, header):
        fail('the subject is %r, was %r' % (str(header['Subject']), says['subject']), before, after)
    if not check_people(says, header):
        fail('To differs: %r' % header['To'].addresses, before, after)
    return after != before


def main():
    converter = Converter(sys.argv[1])
    changed = 0
    for number in range(MESSAGES):
        is_binary, says = chance(0.4), {}
        before = message(0, is_binary, says)
        for takes in (0, EIGHTBIT, EIGHTBIT | EIGHTBIT_HEADER, LONG_LINES, random_.randrange(16)):
            changed += check(converter, before, takes, is_binary, says)
    print('%d messages, %d of %d conversions changed one' % (MESSAGES, changed, 5 * MESSAGES))
    if changed < MESSAGES:
        sys.exit('hardly anything was converted: the test tests nothing')


main()
