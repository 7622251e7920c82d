#include "server_private.h"

enum { SLOTS_MOST = 100 };

/* No octets, but a place that may be counted from. */
static const struct span nothing = { (const unsigned char *)"", 0 };

static void release(struct smtp_server *srv)
{
	line_release(&srv->line);
	server_slot_free(srv, &srv->told);
}

void smtp_server_feed(struct smtp_server *srv, struct span octets)
{
	release(srv);
	buf_wipe(&srv->decoded);
	srv->in = srv->mode == MODE_CLOSED || octets.len == 0 ? nothing : octets;
}

size_t smtp_server_left(struct smtp_server *srv)
{
	size_t left = srv->in.len;

	srv->in = nothing;
	return left;
}

/* What a line of input came to. */
enum step { STEP_EVENT, STEP_AGAIN, STEP_MORE, STEP_WAIT };

static void refuse_bad_line(struct smtp_server *srv)
{
	static const struct smtp_reply bad =
		SMTP_REPLY(500, 5, 5, 2, "A command must end in CRLF and hold no CR, LF or NUL");

	server_say(srv, "-", &bad);
	server_close(srv, SMTP_EVENT_CLOSE, bad.code, bad.text);
}

/* RFC 8446 5.1: so begins each record of a handshake, and no command. Its first octet may have come
 * alone. */
static bool begins_tls(const struct smtp_server *srv)
{
	enum { HANDSHAKE = 22, MAJOR = 3 };
	struct span held = buf_span(&srv->line.part), in = srv->in;

	if (srv->line.is_long || in.len == 0)
		return false;
	if (held.len == 1)
		return held.at[0] == HANDSHAKE && in.at[0] == MAJOR;
	return held.len == 0 && in.len > 1 && in.at[0] == HANDSHAKE && in.at[1] == MAJOR;
}

/* A TLS library shows none of it, but the log does, and who looks at the wire. */
static void refuse_tls(struct smtp_server *srv)
{
	static const struct smtp_reply early =
		SMTP_REPLY(530, 5, 7, 0,
			   "TLS was begun without STARTTLS; set the mail program to STARTTLS");
	const struct smtp_reply *why = server_name_tls_port(srv, &early, ", or to");

	server_say(srv, "-", why);
	server_close(srv, SMTP_EVENT_CLOSE, why->code, why->text);
}

static void refuse_endless_line(struct smtp_server *srv)
{
	static const struct smtp_reply endless =
		SMTP_REPLY(500, 5, 5, 2, "The line does not end; connect again");

	server_say(srv, "-", &endless);
	server_close(srv, SMTP_EVENT_CLOSE, endless.code, endless.text);
}

static enum line_kind take_line(struct smtp_server *srv, struct span *line)
{
	struct line_limits limits = {
		.command = srv->conf.line_octets,
		.auth = srv->conf.auth_line_octets,
		.is_response = srv->mode == MODE_RESPONSE,
	};
	enum line_kind kind = line_take(&srv->line, &limits, &srv->in, line);

	if (kind == LINE_BAD)
		refuse_bad_line(srv);
	if (kind == LINE_ENDLESS)
		refuse_endless_line(srv);
	return kind;
}

static const struct smtp_reply long_command =
	SMTP_REPLY(500, 5, 5, 2, "The line is too long; send a shorter command");
static const struct smtp_reply long_login =
	SMTP_REPLY(500, 5, 5, 6, "The authentication line is too long; use a shorter one");

/* What a BDAT announced that was not read is not told from commands. */
static void refuse_long_line(struct smtp_server *srv)
{
	if (srv->line.is_auth)
		server_refuse_login(srv, &long_login);
	else
		server_refuse(srv, "-", &long_command);
	if (srv->line.is_chunk)
		server_close(srv, SMTP_EVENT_CLOSE, long_command.code, long_command.text);
}

static enum step step_command(struct smtp_server *srv, struct smtp_event *ev)
{
	struct span line;
	enum line_kind kind;
	bool is_event;

	if (srv->slots.count >= SLOTS_MOST)
		return STEP_WAIT;
	if (!srv->connection.is_tls && begins_tls(srv)) {
		refuse_tls(srv);
		return STEP_AGAIN;
	}
	kind = take_line(srv, &line);
	if (kind == LINE_MORE)
		return STEP_MORE;
	if (kind == LINE_LONG)
		refuse_long_line(srv);
	if (kind != LINE_WHOLE)
		return STEP_AGAIN;
	if (!server_is_answered(srv) && !server_may_overlap(line)) {
		line_give_back(&srv->line, &srv->in);
		return STEP_WAIT;
	}
	srv->is_line_kept = false;
	is_event = server_dispatch(srv, line, ev);
	if (srv->is_line_kept)
		line_give_back(&srv->line, &srv->in);
	if (!is_event)
		line_release(&srv->line);
	return is_event ? STEP_EVENT : STEP_AGAIN;
}

static enum step step_response(struct smtp_server *srv, struct smtp_event *ev)
{
	struct span line;
	bool is_event;

	if (!server_is_answered(srv))
		return STEP_WAIT;
	switch (take_line(srv, &line)) {
	case LINE_MORE:
		return STEP_MORE;
	case LINE_WHOLE:
		is_event = server_take_response(srv, line, ev);
		break;
	case LINE_LONG:
		is_event = server_refuse_response(srv, &long_login, ev);
		break;
	default:
		return STEP_AGAIN;
	}
	return is_event ? STEP_EVENT : STEP_AGAIN;
}

/* RFC 2920 3.1: DATA must be the last command in a group, as what follows it is content only if we
 * say 354. Who sends on without waiting for that means to be misread. */
static enum step step_data(struct smtp_server *srv, struct smtp_event *ev)
{
	(void)ev;
	if (srv->in.len == 0)
		return STEP_WAIT;
	server_drop_slots(srv);
	server_close_early(srv);
	return STEP_AGAIN;
}

static enum step step_body(struct smtp_server *srv, struct smtp_event *ev)
{
	return server_take_body(srv, ev) ? STEP_EVENT : STEP_MORE;
}

static enum step step_bdat(struct smtp_server *srv, struct smtp_event *ev)
{
	(void)srv;
	(void)ev;
	return STEP_WAIT;
}

static enum step step_chunk(struct smtp_server *srv, struct smtp_event *ev)
{
	if (server_take_chunk(srv, ev))
		return STEP_EVENT;
	return srv->mode == MODE_CHUNK ? STEP_MORE : STEP_AGAIN;
}

/* RFC 3207 6: what came before the handshake was written by anybody. It is not executed, and
 * nothing more is said in the clear. */
static enum step step_tls(struct smtp_server *srv, struct smtp_event *ev)
{
	(void)ev;
	if (srv->in.len == 0)
		return server_is_answered(srv) ? STEP_MORE : STEP_WAIT;
	server_drop_slots(srv);
	buf_clear(&srv->output);
	server_close_injected(srv);
	return STEP_AGAIN;
}

static enum step step_early(struct smtp_server *srv, struct smtp_event *ev)
{
	static const struct smtp_reply early =
		SMTP_REPLY(554, 5, 5, 1, "Wait for the greeting before the first command");

	(void)ev;
	if (srv->in.len == 0)
		return STEP_MORE;
	server_say(srv, "-", &early);
	server_close(srv, SMTP_EVENT_CLOSE, early.code, early.text);
	return STEP_AGAIN;
}

static enum step step_closed(struct smtp_server *srv, struct smtp_event *ev)
{
	if (!server_is_answered(srv))
		return STEP_WAIT;
	if (!srv->is_close_due)
		return STEP_MORE;
	srv->is_close_due = false;
	ev->type = srv->close_type;
	ev->code = srv->close_code;
	ev->text = buf_span(&srv->close_text);
	return STEP_EVENT;
}

static enum step (*const steps[])(struct smtp_server *srv, struct smtp_event *ev) = {
	[MODE_EARLY] = step_early, [MODE_COMMAND] = step_command, [MODE_RESPONSE] = step_response,
	[MODE_DATA] = step_data,   [MODE_BODY] = step_body,	  [MODE_TLS] = step_tls,
	[MODE_BDAT] = step_bdat,   [MODE_CHUNK] = step_chunk,	  [MODE_CLOSED] = step_closed,
};

static bool tell_refused(struct smtp_server *srv, struct smtp_event *ev)
{
	struct list_node *node = list_pop_front(&srv->refused);

	if (!node)
		return false;
	srv->told = list_entry(node, struct slot, node);
	ev->type = SMTP_EVENT_REFUSED;
	ev->ref = srv->told->ref;
	ev->code = srv->told->code;
	ev->text = buf_span(&srv->told->text);
	ev->verb = srv->told->verb;
	return true;
}

enum smtp_event_type smtp_server_next(struct smtp_server *srv, struct smtp_event *out)
{
	enum step step = STEP_AGAIN;

	release(srv);
	*out = (struct smtp_event){ 0 };
	while (step == STEP_AGAIN) {
		buf_wipe(&srv->decoded);
		if (tell_refused(srv, out))
			return out->type;
		if (srv->mode != MODE_CLOSED && srv->output.len > srv->conf.output_octets)
			step = STEP_WAIT;
		else
			step = steps[srv->mode](srv, out);
	}
	if (step != STEP_EVENT)
		out->type = step == STEP_WAIT ? SMTP_EVENT_WAIT : SMTP_EVENT_MORE;
	return out->type;
}
