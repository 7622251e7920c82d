#include "server_private.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/require.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_OCTETS = 512 };

void slot_free(struct slot **slot)
{
	struct slot *s = *slot;

	if (!s)
		return;
	*slot = NULL;
	buf_wipe(&s->octets);
	buf_fini(&s->text);
	free(s);
}

static struct slot *slot_new(struct smtp_server *srv, const char *verb)
{
	struct slot *s = mem_new(struct slot);

	s->verb = verb;
	list_push_back(&srv->slots, &s->node);
	return s;
}

/* Moves what is answered, from the oldest on, into the output. */
static void flush(struct smtp_server *srv)
{
	struct list_node *node;

	while ((node = list_first(&srv->slots))) {
		struct slot *s = list_entry(node, struct slot, node);

		if (!s->is_answered)
			return;
		list_remove(&srv->slots, node);
		buf_put_span(&srv->output, buf_span(&s->octets));
		if (s->code >= 400)
			list_push_back(&srv->refused, node);
		else
			slot_free(&s);
	}
}

static void fill_challenge(struct slot *s, struct span challenge)
{
	buf_put_text(&s->octets, "334 ");
	base64_encode(challenge, &s->octets);
	buf_put(&s->octets, "\r\n", 2);
}

static void fill(struct smtp_server *srv, struct slot *s, const struct smtp_reply *reply)
{
	char suffix[64];

	s->is_answered = true;
	s->code = reply->code;
	suffix[0] = 0;
	if (reply->code >= 400) {
		s->ref = ++srv->last_ref;
		snprintf(suffix, sizeof(suffix), " (ref %s-%u)", srv->sid, s->ref);
		buf_put_span(&s->text, span_first(reply->text, TEXT_OCTETS));
	}
	if (reply->code == 334)
		fill_challenge(s, reply->text);
	else
		smtp_reply_format(reply, span_text(suffix), &s->octets);
}

/* RFC 5321 3.8: 421 is the one reply behind which the server closes, whatever it answers. */
static void heed_421(struct smtp_server *srv, const struct smtp_reply *reply)
{
	if (reply->code == 421)
		server_close(srv, SMTP_EVENT_CLOSE, reply->code, reply->text);
}

void server_ask(struct smtp_server *srv, const char *verb, enum smtp_event_type type,
		void (*settle)(struct smtp_server *, const struct smtp_reply *),
		struct smtp_event *ev)
{
	struct slot *s = slot_new(srv, verb);

	if (++srv->last_ticket == 0)
		++srv->last_ticket;
	s->ticket = srv->last_ticket;
	s->settle = settle;
	ev->type = type;
	ev->ticket = s->ticket;
}

void server_say(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply)
{
	fill(srv, slot_new(srv, verb), reply);
	heed_421(srv, reply);
	flush(srv);
}

void server_say_octets(struct smtp_server *srv, const char *verb, int code, struct span octets)
{
	struct slot *s = slot_new(srv, verb);

	s->is_answered = true;
	s->code = code;
	buf_put_span(&s->octets, octets);
	flush(srv);
}

void server_refuse(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply)
{
	static const struct smtp_reply enough =
		SMTP_REPLY(421, 4, 7, 0, "Too many errors in this session; connect again later");

	if (srv->connection.errors < srv->conf.errors) {
		srv->connection.errors++;
		server_say(srv, verb, reply);
	} else {
		server_say(srv, verb, &enough);
	}
}

void server_close(struct smtp_server *srv, enum smtp_event_type type, int code, struct span text)
{
	if (srv->mode == MODE_CLOSED)
		return;
	srv->mode = MODE_CLOSED;
	srv->in = span_first(srv->in, 0);
	srv->is_close_due = true;
	srv->close_type = type;
	srv->close_code = code;
	buf_put_span(&srv->close_text, span_first(text, TEXT_OCTETS));
	server_reset(srv, LEVEL_TRANSACTION);
}

void server_close_early(struct smtp_server *srv)
{
	static const struct smtp_reply early =
		SMTP_REPLY(503, 5, 5, 1, "Wait for the reply to DATA before the message");

	server_say(srv, "DATA", &early);
	server_close(srv, SMTP_EVENT_CLOSE, early.code, early.text);
}

void server_close_injected(struct smtp_server *srv)
{
	server_close(srv, SMTP_EVENT_CLOSE, 0, span_text("octets behind STARTTLS before TLS"));
}

void server_drop_slots(struct smtp_server *srv)
{
	struct list_node *node;

	while ((node = list_pop_front(&srv->slots))) {
		struct slot *s = list_entry(node, struct slot, node);

		slot_free(&s);
	}
}

bool server_is_answered(const struct smtp_server *srv)
{
	return list_is_empty(&srv->slots);
}

static struct slot *find_slot(const struct smtp_server *srv, unsigned ticket)
{
	list_each (&srv->slots, it) {
		struct slot *s = list_entry(it, struct slot, node);

		if (s->ticket == ticket && !s->is_answered)
			return s;
	}
	return NULL;
}

void smtp_server_answer(struct smtp_server *srv, unsigned ticket, const struct smtp_reply *reply)
{
	struct slot *s = ticket ? find_slot(srv, ticket) : NULL;

	/* The tickets of a session that ended by itself are void, and its owner may not know yet.
	 */
	if (!s && srv->mode == MODE_CLOSED)
		return;
	require(s);
	fill(srv, s, reply);
	if (srv->mode != MODE_CLOSED)
		s->settle(srv, reply);
	heed_421(srv, reply);
	flush(srv);
}

void smtp_server_shut(struct smtp_server *srv, const struct smtp_reply *reply)
{
	bool is_plain_due = srv->mode != MODE_TLS;

	require(reply->code >= 400);
	if (srv->mode == MODE_CLOSED && server_is_answered(srv))
		return;
	server_drop_slots(srv);
	server_close(srv, SMTP_EVENT_CLOSE, reply->code, reply->text);
	/* Between STARTTLS and the handshake the client reads TLS records, not replies. */
	if (is_plain_due)
		server_say(srv, "-", reply);
}

struct span smtp_server_output(const struct smtp_server *srv)
{
	return buf_span(&srv->output);
}

void smtp_server_sent(struct smtp_server *srv, size_t octets)
{
	enum { KEPT_OCTETS = 1024 };

	buf_drop(&srv->output, octets);
	if (srv->output.len == 0 && srv->output.cap > KEPT_OCTETS)
		buf_fini(&srv->output);
}
