"""Reads the samples of mail_samples with Python's own mail parser: nothing of it may be a defect."""
import email
import email.errors
import email.header
import email.policy
import email.utils
import subprocess
import sys


def sample_octets(kind):
    return subprocess.run([sys.argv[1], kind], check=True, stdout=subprocess.PIPE).stdout


def sample(kind):
    """An SMTPUTF8 message as text: of octets Python expects ASCII."""
    octets = sample_octets(kind)
    if kind == 'global':
        return email.message_from_string(octets.decode(), policy=email.policy.SMTPUTF8)
    return email.message_from_bytes(octets, policy=email.policy.SMTP)


def defects(value):
    """But for one that RFC 6531 lifts."""
    return [d for d in getattr(value, 'defects', ()) if not isinstance(d, email.errors.NonASCIILocalPartDefect)]


def same(found, expected):
    if found != expected:
        sys.exit(f'found {found!r}, expected {expected!r}')


def notice(kind, types):
    """The parts of a notice: text as words, the status as fields, the original."""
    found = sample(kind)
    for part in found.walk():
        same(part.defects, [])
        for value in part.values():
            same(defects(value), [])
    same(found.get_content_type(), 'multipart/report')
    same(found.get_param('report-type'), 'delivery-status')
    same(found['Auto-Submitted'], 'auto-replied')
    same(found['From'].addresses[0].addr_spec, 'MAILER-DAEMON@relay.example.com')
    same(found['From'].addresses[0].display_name, 'Müller mail delivery')
    same(found['Date'].datetime.isoformat(), '2026-11-21T23:11:54+00:00')
    same((found['In-Reply-To'], found['References']), ('<m1@example.com>', '<m1@example.com>'))
    text, status, original = found.get_payload()
    same([part.get_content_type() for part in (text, status, original)], ['text/plain'] + types)
    return found, ' '.join(text.get_content().split()), status, original


def says(words, *parts):
    for part in parts:
        same((part, part in words), (part, True))


def check_failed():
    found, words, status, header = notice('failed', ['message/delivery-status', 'text/rfc822-headers'])
    same(found['To'].addresses[0].addr_spec, 'alice@example.com')
    same(found['Subject'], 'Not delivered: your message to 2 recipients')
    says(words, 'to 2 recipients', '550 5.1.1 No such user ü here', '(Müller)', 'connection refused')
    message, bob, carl = status.get_payload()
    same(message['Original-Envelope-Id'], 'QQ 314159')
    same(message['Reporting-MTA'], 'dns; relay.example.com')
    same(bob['Original-Recipient'], 'rfc822; bob+x@example.net')
    same(bob['Final-Recipient'], 'rfc822; bob@example.net')
    same((bob['Action'], bob['Status'], carl['Status']), ('failed', '5.1.1', '4.4.7'))
    same(bob['Remote-MTA'], 'dns; smtp.example.net')
    same(bob['Diagnostic-Code'], 'smtp; 550 5.1.1 No such user ? here')
    same(bob['Will-Retry-Until'], None)
    original = email.message_from_bytes(header.get_payload(decode=True))
    same(original['To'], 'bob@example.net')


def check_delayed():
    found, words, status, _ = notice('delayed', ['message/delivery-status', 'text/rfc822-headers'])
    same(found['Subject'], 'Delayed, still being tried: your message to jürgen@example.net')
    says(words, 'jürgen@example.net', 'until Sun, 22 Nov 2026 23:11:54 +0000 (UTC)')
    recipient = status.get_payload()[1]
    same(recipient['Final-Recipient'], r'utf-8; j\x{FC}rgen@example.net')
    same((recipient['Action'], recipient['Status']), ('delayed', '4.2.0'))
    same(recipient['Last-Attempt-Date'], 'Sat, 21 Nov 2026 23:11:53 +0000')
    same(recipient['Will-Retry-Until'], 'Sun, 22 Nov 2026 23:11:54 +0000')


def check_full():
    found, _, _, original = notice('full', ['message/delivery-status', 'message/rfc822'])
    same((found['Content-Transfer-Encoding'], original['Content-Transfer-Encoding']), ('8bit', '8bit'))
    inner = original.get_payload()[0]
    same(inner['Message-ID'], '<m1@example.com>')
    same(inner.get_payload(decode=True), '--=_0_01DEF\r\nü\r\n--=_0_01DEF--\r\n'.encode())


def check_global():
    found, words, status, header = notice('global', ['message/global-delivery-status',
                                                     'message/global-headers'])
    same(found['To'].addresses[0].addr_spec, 'jörg@example.com')
    same(found['Subject'], 'Passed on: your message to jürgen@example.net')
    says(words, 'has been passed on', '250 2.0.0 queued ü')
    octets = sample_octets('global')
    says(octets.decode(), 'Final-Recipient: utf-8; jürgen@example.net\r\n',
         'Diagnostic-Code: smtp; 250 2.0.0 queued ü\r\n', '\r\n\r\nSubject: ü\r\n')
    same((status['Content-Transfer-Encoding'], header['Content-Transfer-Encoding']), ('8bit', '8bit'))


def check_received():
    message = sample('received')
    same(message.defects, [])
    same(message.keys(), ['Received', 'Subject'])
    words = str(email.header.make_header(email.header.decode_header(message['Received'])))
    same('Gesellschaft für große (und kleine) Türen mit sehr langem Namen' in words, True)
    stamp = email.utils.parsedate_to_datetime(message['Received'].rpartition(';')[2])
    same(stamp.isoformat(), '2026-11-21T22:11:54+00:00')


check_failed()
check_delayed()
check_full()
check_global()
check_received()
