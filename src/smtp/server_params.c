#include "server_private.h"

#include <errno.h>

static const struct smtp_reply bad_param =
	SMTP_REPLY(501, 5, 5, 4, "A parameter is malformed; use only what EHLO offers");
static const struct smtp_reply unknown_param =
	SMTP_REPLY(555, 5, 5, 4, "A parameter is not supported; use only what EHLO offers");

void server_offer_mail(const struct smtp_server *srv, struct buf *lines)
{
	if (srv->conf.message_octets)
		buf_printf(lines, "SIZE %llu\n", (unsigned long long)srv->conf.message_octets);
	else
		buf_put_text(lines, "SIZE\n");
	buf_put_text(lines, "8BITMIME\nDSN\n");
}

/* NULL: the value is taken. A parameter comes once at most. */
typedef const struct smtp_reply *take_value(struct smtp_server *srv, struct smtp_event *ev,
					    struct span value);

struct param {
	const char *keyword;
	take_value *take;
};

/* RFC 1870 3: size-value = 1*20DIGIT. A number too large to hold is larger than any limit. */
static const struct smtp_reply *take_size(struct smtp_server *srv, struct smtp_event *ev,
					  struct span value)
{
	static const struct smtp_reply too_big =
		SMTP_REPLY(552, 5, 3, 4,
			   "The message is too big; send less or smaller attachments");
	uint64_t most = srv->conf.message_octets;
	int rc = span_number(value, &ev->mail.size);

	if (rc == -EINVAL)
		return &bad_param;
	return rc == -ERANGE || (most && ev->mail.size > most) ? &too_big : NULL;
}

static const struct smtp_reply *take_body_type(struct smtp_server *srv, struct smtp_event *ev,
					       struct span value)
{
	bool is_8bit = span_ieq_text(value, "8BITMIME");

	(void)srv;
	if (!is_8bit && !span_ieq_text(value, "7BIT"))
		return &bad_param;
	ev->mail.body = is_8bit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
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

static const struct smtp_reply *take_envid(struct smtp_server *srv, struct smtp_event *ev,
					   struct span value)
{
	(void)srv;
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
	{ "SIZE", take_size }, { "BODY", take_body_type }, { "AUTH", take_auth },
	{ "RET", take_ret },   { "ENVID", take_envid },	   { NULL, NULL },
};

static const struct param rcpt_params[] = {
	{ "NOTIFY", take_notify },
	{ "ORCPT", take_orcpt },
	{ NULL, NULL },
};

static const struct param *find(const struct param *known, struct span keyword)
{
	while (known->keyword && !span_ieq_text(keyword, known->keyword))
		known++;
	return known->keyword ? known : NULL;
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

		if (!param)
			return &unknown_param;
		bit = 1u << (param - known);
		why = seen & bit ? &bad_param : param->take(srv, ev, value);
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
