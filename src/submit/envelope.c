#include "session.h"

/* What our Received field and the fields that a client left out may add to a message (mail/header.h). */
enum { OUR_OCTETS = 2048 };

uint64_t envelope_size_limit(const struct session *s)
{
	uint64_t own = (uint64_t)s->settings->conf->limits.message_octets;
	uint64_t theirs = session_ability(s).size_octets;

	if (theirs == 0 || own + OUR_OCTETS <= theirs)
		return own;
	return theirs > OUR_OCTETS ? theirs - OUR_OCTETS : 1;
}

/* Nobody behind us could be given such an address; told now, not by a notice later (RFC 6531 3.5). A domain
 * beyond ASCII is none of these: it has an ASCII form. */
static bool is_beyond(const struct session *s, const struct smtp_path *path)
{
	return !span_is_ascii(path->local) && !session_ability(s).takes_utf8;
}

static const struct smtp_reply too_large =
	SMTP_REPLY(552, 5, 3, 4,
		   "The message is larger than the mail server behind this one takes; send smaller "
		   "attachments, or a link");

static const struct smtp_reply too_far =
	SMTP_REPLY(501, 5, 5, 4, "The message is to wait longer than this server holds mail back");

/* RFC 4865 4.: what lies in the past is sent at once. */
static const struct smtp_reply *
judge_release(const struct session *s, const struct smtp_mail_params *mail, int64_t *release_ms_out)
{
	int64_t now = wall_now_ms(), most = s->settings->conf->queue.future_ms;

	*release_ms_out = 0;
	if (mail->hold_for_s)
		*release_ms_out = now + mail->hold_for_s * 1000;
	else if (mail->hold_until_s > now / 1000 + most / 1000)
		return &too_far;
	else if (mail->hold_until_s > now / 1000)
		*release_ms_out = mail->hold_until_s * 1000;
	return NULL;
}

const struct smtp_reply *envelope_judge_mail(const struct session *s, const struct smtp_event *ev,
					     int64_t *release_ms_out)
{
	static const struct smtp_reply utf8 =
		SMTP_REPLY(550, 5, 6, 7,
			   "The mail server behind this one takes no sender addresses with letters "
			   "beyond ASCII before the @");
	static const struct smtp_reply plain =
		SMTP_REPLY(550, 5, 7, 30,
			   "The mail server behind this one cannot promise TLS all the way "
			   "(REQUIRETLS)");

	if (is_beyond(s, &ev->path))
		return &utf8;
	/* The engine holds it against what was offered; a smarthost may have shrunk since. */
	if (ev->mail.size > envelope_size_limit(s))
		return &too_large;
	if (ev->mail.require_tls && !session_ability(s).takes_require_tls)
		return &plain;
	return judge_release(s, &ev->mail, release_ms_out);
}

const struct smtp_reply *envelope_judge_rcpt(const struct session *s, const struct smtp_event *ev)
{
	static const struct smtp_reply utf8 =
		SMTP_REPLY(550, 5, 6, 7,
			   "The mail server behind this one takes no addresses with letters beyond "
			   "ASCII before the @");

	return is_beyond(s, &ev->path) ? &utf8 : NULL;
}
