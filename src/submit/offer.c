#include "session.h"

#include <time.h>

struct relay_ability session_ability(const struct session *s)
{
	return relay_ability(s->settings->learned, s->settings->learned_count);
}

/* "2026-11-29T12:00:00Z" (RFC 4865 4.: a date-time of RFC 3339) */
static void format_date(int64_t unix_s, char *out, size_t cap)
{
	time_t at = (time_t)unix_s;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* A promise, so not before a smarthost has made it to us, and not over TLS that somebody may read. */
static bool offers_require_tls(const struct session *s)
{
	struct relay_ability ability = session_ability(s);

	return ability.is_known && ability.takes_require_tls &&
	       s->listen->conf->profile == CONF_PROFILE_MODERN;
}

struct smtp_server *session_engine_new(struct session *s)
{
	const struct conf *conf = s->settings->conf;
	int64_t future_s = conf->queue.future_ms / 1000;
	struct smtp_server_conf ec = {
		.hostname = conf->hostname,
		.mechanisms = s->mechanisms,
		.footer = conf->refusal_footer,
		.sid = s->sid_text,
		.message_octets = envelope_size_limit(s),
		.recipients = (unsigned)conf->limits.recipients,
		.errors = (unsigned)conf->limits.errors,
		.login_failures = (unsigned)conf->limits.login_failures,
		.line_octets = (size_t)conf->limits.line_octets,
		.auth_line_octets = 12288 + 2, /* RFC 4954 section 4 */
		.output_octets = SESSION_OUTPUT_MARK,
		.refuse_bare_lf = conf->limits.refuse_bare_lf,
		.auth_line = s->listen->conf->auth_line,
		/* Always: a domain can be turned into A-labels, a header field be encoded. What no
		 * smarthost can be given is refused at MAIL and RCPT. */
		.offers_utf8 = true,
		.offers_require_tls = offers_require_tls(s),
		.future_s = (uint64_t)future_s,
		.future_until = s->future_until,
		.starttls_offered = !s->is_implicit,
		.is_tls = s->is_implicit,
		.tls_port = s->listen->tls_port,
	};

	format_date(wall_now_ms() / 1000 + future_s, s->future_until, sizeof(s->future_until));
	return smtp_server_new(&ec);
}

void session_offer_login(struct session *s)
{
	const char *why = NULL;
	struct logline l;

	if (s->listen->clients == NULL)
		return;
	if (stream_tls_peer_names(s->stream, &s->certificate_names, &why)) {
		s->mechanisms = s->listen->mechanisms_external;
		smtp_server_offer(s->engine, s->mechanisms);
		return;
	}
	buf_clear(&s->certificate_names);
	if (why == NULL)
		return;
	session_log_start(s, &l, LOG_LEVEL_WARN, "client-certificate");
	logline_text(&l, "address", s->address);
	logline_text(&l, "reason", why);
	session_log_put(s, &l);
}
