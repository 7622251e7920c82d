"""Reads the samples of mail_samples with Python's own mail parser: nothing of it may be a defect."""
import email
import email.header
import email.policy
import email.utils
import subprocess
import sys


def sample(kind):
    octets = subprocess.run([sys.argv[1], kind], check=True, stdout=subprocess.PIPE).stdout
    return email.message_from_bytes(octets, policy=email.policy.SMTP)


def same(found, expected):
    if found != expected:
        sys.exit(f'found {found!r}, expected {expected!r}')


def check_notice():
    notice = sample('notice')
    for part in notice.walk():
        same(part.defects, [])
        for value in part.values():
            same(getattr(value, 'defects', ()), ())
    same(notice.get_content_type(), 'multipart/report')
    same(notice.get_param('report-type'), 'delivery-status')
    same(notice['Auto-Submitted'], 'auto-replied')
    same(notice['To'].addresses[0].addr_spec, 'alice@example.com')
    same(notice['From'].addresses[0].addr_spec, 'postmaster@relay.example.com')
    same(notice['From'].addresses[0].display_name, 'Mail delivery at relay.example.com')
    same(notice['Date'].datetime.isoformat(), '2026-11-21T23:11:54+00:00')
    text, status, header = notice.get_payload()
    same(text.get_content_type(), 'text/plain')
    words = ' '.join(text.get_content().split())
    for part in ('2 of its recipients', 'No such user ü here', '(Müller)', 'connection refused'):
        same((part, part in words), (part, True))
    same(status.get_content_type(), 'message/delivery-status')
    message, bob, carl = status.get_payload()
    same(message['Reporting-MTA'], 'dns; relay.example.com')
    same(bob['Final-Recipient'], 'rfc822; bob@example.net')
    same((bob['Action'], bob['Status'], carl['Status']), ('failed', '5.1.1', '4.4.7'))
    same(bob['Remote-MTA'], 'dns; smtp.example.net')
    same(bob['Diagnostic-Code'], 'smtp; 550 5.1.1 No such user ? here')
    same(header.get_content_type(), 'text/rfc822-headers')
    original = email.message_from_bytes(header.get_payload(decode=True))
    same(original['To'], 'bob@example.net')


def check_received():
    message = sample('received')
    same(message.defects, [])
    same(message.keys(), ['Received', 'Subject'])
    words = str(email.header.make_header(email.header.decode_header(message['Received'])))
    same('Gesellschaft für große (und kleine) Türen mit sehr langem Namen' in words, True)
    stamp = email.utils.parsedate_to_datetime(message['Received'].rpartition(';')[2])
    same(stamp.isoformat(), '2026-11-21T22:11:54+00:00')


check_notice()
check_received()
