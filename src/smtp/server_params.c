#include "server_private.h"

#include "datetime.h"

#include <errno.h>

static const struct smtp_reply bad_param =
	SMTP_REPLY(501, 5, 5, 4, "A parameter is malformed; use only what EHLO offers");
static const struct smtp_reply twice =
	SMTP_REPLY(501, 5, 5, 4, "A parameter is given twice; give it once");

static bool offers_utf8(const struct smtp_server *srv)
{
	return srv->conf.offers_utf8;
}

/* RFC 8689 3: "advertised only if" TLS is there. */
static bool offers_require_tls(const struct smtp_server *srv)
{
	return srv->conf.offers_require_tls && srv->connection.is_tls;
}

static bool offers_future(const struct smtp_server *srv)
{
	return srv->conf.future_s && srv->conf.future_until;
}

void server_offer_mail(const struct smtp_server *srv, struct buf *lines)
{
	buf_put_text(lines, "SIZE");
	if (srv->conf.message_octets) {
		buf_put_char(lines, ' ');
		buf_put_number(lines, srv->conf.message_octets);
	}
	buf_put_text(lines, "\n8BITMIME\nDSN\n");
	if (offers_utf8(srv))
		buf_put_text(lines, "SMTPUTF8\n");
	if (offers_require_tls(srv))
		buf_put_text(lines, "REQUIRETLS\n");
	if (offers_future(srv)) {
		buf_put_text(lines, "FUTURERELEASE ");
		buf_put_number(lines, srv->conf.future_s);
		buf_put_char(lines, ' ');
		buf_put_text(lines, srv->conf.future_until);
		buf_put_char(lines, '\n');
	}
}

/* NULL: the value is taken. A parameter comes once at most. */
typedef const struct smtp_reply *take_value(struct smtp_server *srv, struct smtp_event *ev,
					    struct span value);

struct param {
	const char *keyword;
	take_value *take;
	bool (*is_offered)(const struct smtp_server *srv); /* NULL: always */
};

/* RFC 1870 3: size-value = 1*20DIGIT. A number too large to hold is larger than any limit. */
static const struct smtp_reply *take_size(struct smtp_server *srv, struct smtp_event *ev,
					  struct span value)
{
	static const struct smtp_reply no_size =
		SMTP_REPLY(501, 5, 5, 4, "SIZE takes a number of octets");
	uint64_t most = srv->conf.message_octets;
	int rc = span_number(value, &ev->mail.size);

	if (rc == -EINVAL)
		return &no_size;
	return rc == -ERANGE || (most && ev->mail.size > most) ? &server_too_big : NULL;
}

static const struct smtp_reply *take_body_type(struct smtp_server *srv, struct smtp_event *ev,
					       struct span value)
{
	static const char *const types[] = {
		[SMTP_BODY_7BIT] = "7BIT",
		[SMTP_BODY_8BITMIME] = "8BITMIME",
		[SMTP_BODY_BINARYMIME] = "BINARYMIME",
	};
	static const struct smtp_reply other =
		SMTP_REPLY(501, 5, 5, 4, "BODY is 7BIT, 8BITMIME or BINARYMIME");

	(void)srv;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!span_ieq_text(value, types[i]))
			continue;
		ev->mail.body = (enum smtp_body_type)i;
		return NULL;
	}
	return &other;
}

static const struct smtp_reply *take_utf8(struct smtp_server *srv, struct smtp_event *ev,
					  struct span value)
{
	static const struct smtp_reply no_value =
		SMTP_REPLY(501, 5, 5, 4, "SMTPUTF8 takes no value");

	(void)srv;
	ev->mail.is_utf8 = true;
	return value.at ? &no_value : NULL;
}

static const struct smtp_reply *take_require_tls(struct smtp_server *srv, struct smtp_event *ev,
						 struct span value)
{
	static const struct smtp_reply no_value =
		SMTP_REPLY(501, 5, 5, 4, "REQUIRETLS takes no value");

	(void)srv;
	ev->mail.require_tls = true;
	return value.at ? &no_value : NULL;
}

static const struct smtp_reply one_hold =
	SMTP_REPLY(501, 5, 5, 4, "Give HOLDFOR or HOLDUNTIL, not both");

/* RFC 4865 3.: future-release-integer = 1*9DIGIT */
static const struct smtp_reply *take_hold_for(struct smtp_server *srv, struct smtp_event *ev,
					      struct span value)
{
	static const struct smtp_reply no_seconds =
		SMTP_REPLY(501, 5, 5, 4, "HOLDFOR takes a number of seconds");
	uint64_t most = srv->conf.future_s, seconds;

	if (ev->mail.hold_until_s)
		return &one_hold;
	if (value.len > 9 || span_number(value, &seconds) < 0)
		return &no_seconds;
	if (seconds > most)
		return server_compose(srv, 501, no_seconds.status,
				      "A message is held for %llu seconds at most",
				      (unsigned long long)most);
	ev->mail.hold_for_s = (int64_t)seconds;
	return NULL;
}

static const struct smtp_reply *take_hold_until(struct smtp_server *srv, struct smtp_event *ev,
						struct span value)
{
	static const struct smtp_reply no_date =
		SMTP_REPLY(501, 5, 5, 4,
			   "HOLDUNTIL takes a date and time, as 2026-11-29T12:00:00Z");
	int64_t at;

	(void)srv;
	if (ev->mail.hold_for_s)
		return &one_hold;
	if (!smtp_datetime_parse(value, &at))
		return &no_date;
	ev->mail.hold_until_s = at > 0 ? at : 1;
	return NULL;
}

static bool is_mailbox(struct span in)
{
	struct smtp_path path;
	struct smtp_reply why;

	return in.len && in.at[0] != '<' && in.at[0] != ' ' &&
	       smtp_path_parse(&in, SMTP_PATH_REVERSE, &path, &why) == 0 && in.len == 0 &&
	       !path.has_source_route;
}

/* RFC 4954 5: the value is "<>" or a mailbox, as xtext. */
static const struct smtp_reply *take_auth(struct smtp_server *srv, struct smtp_event *ev,
					  struct span value)
{
	struct buf *decoded = &srv->decoded;

	if (value.len == 0 || smtp_xtext_decode(value, decoded) < 0)
		return &bad_param;
	ev->mail.auth = buf_span(decoded);
	return span_eq(ev->mail.auth, span_text("<>")) || is_mailbox(ev->mail.auth) ? NULL
										    : &bad_param;
}

static const struct smtp_reply *take_ret(struct smtp_server *srv, struct smtp_event *ev,
					 struct span value)
{
	bool is_full = span_ieq_text(value, "FULL");

	(void)srv;
	if (!is_full && !span_ieq_text(value, "HDRS"))
		return &bad_param;
	ev->mail.ret = is_full ? SMTP_RET_FULL : SMTP_RET_HDRS;
	return NULL;
}

/* Thunderbird gives the Message-ID as it is, however long, and nothing ("ENVID=") where the sender's domain is
 * beyond ASCII. RFC 3461 4.4 knows no such ENVID; the message goes without one rather than be kept back for it. */
static const struct smtp_reply *take_envid(struct smtp_server *srv, struct smtp_event *ev,
					   struct span value)
{
	(void)srv;
	if (value.at && (value.len == 0 || value.len > SMTP_ENVID_MOST || !span_is_ascii(value)))
		return NULL;
	ev->mail.envid = value;
	return smtp_envid_is_valid(value) ? NULL : &bad_param;
}

static const struct smtp_reply *take_notify(struct smtp_server *srv, struct smtp_event *ev,
					    struct span value)
{
	(void)srv;
	return smtp_notify_parse(value, &ev->rcpt.notify) == 0 ? NULL : &bad_param;
}

static const struct smtp_reply *take_orcpt(struct smtp_server *srv, struct smtp_event *ev,
					   struct span value)
{
	(void)srv;
	ev->rcpt.orcpt = value;
	return smtp_orcpt_is_valid(value) ? NULL : &bad_param;
}

static const struct param mail_params[] = {
	{ "SIZE", take_size, NULL },
	{ "BODY", take_body_type, NULL },
	{ "AUTH", take_auth, NULL },
	{ "RET", take_ret, NULL },
	{ "ENVID", take_envid, NULL },
	{ "SMTPUTF8", take_utf8, offers_utf8 },
	{ "REQUIRETLS", take_require_tls, offers_require_tls },
	{ "HOLDFOR", take_hold_for, offers_future },
	{ "HOLDUNTIL", take_hold_until, offers_future },
	{ NULL, NULL, NULL },
};

static const struct param rcpt_params[] = {
	{ "NOTIFY", take_notify, NULL },
	{ "ORCPT", take_orcpt, NULL },
	{ NULL, NULL, NULL },
};

static const struct param *find(const struct param *known, struct span keyword)
{
	while (known->keyword && !span_ieq_text(keyword, known->keyword))
		known++;
	return known->keyword ? known : NULL;
}

static const struct smtp_reply *refuse_unknown(struct smtp_server *srv, struct span keyword)
{
	enum { KEYWORD_MOST = 40 };

	keyword = span_first(keyword, KEYWORD_MOST);
	return server_compose(srv, 555, (struct smtp_status){ 5, 5, 4 },
			      "The parameter %.*s is not offered here; use only what EHLO offers",
			      (int)keyword.len, (const char *)keyword.at);
}

static const struct smtp_reply *take_all(struct smtp_server *srv, struct smtp_event *ev,
					 const struct param *known, struct span in)
{
	struct span keyword, value;
	unsigned seen = 0;
	int rc;

	while ((rc = smtp_param_next(&in, &keyword, &value)) > 0) {
		const struct param *param = find(known, keyword);
		const struct smtp_reply *why;
		unsigned bit;

		if (!param || (param->is_offered && !param->is_offered(srv)))
			return refuse_unknown(srv, keyword);
		bit = 1u << (param - known);
		why = seen & bit ? &twice : param->take(srv, ev, value);
		if (why)
			return why;
		seen |= bit;
	}
	return rc < 0 ? &bad_param : NULL;
}

const struct smtp_reply *server_take_mail_params(struct smtp_server *srv, struct smtp_event *ev,
						 struct span in)
{
	return take_all(srv, ev, mail_params, in);
}

const struct smtp_reply *server_take_rcpt_params(struct smtp_server *srv, struct smtp_event *ev,
						 struct span in)
{
	return take_all(srv, ev, rcpt_params, in);
}
