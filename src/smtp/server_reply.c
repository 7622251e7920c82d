#include "server_private.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

enum { ADDRESS_OCTETS = 256 };

static void slot_fini(struct slot *s)
{
	buf_wipe(&s->octets);
	buf_fini(&s->text);
	if (s->address.cap > ADDRESS_OCTETS)
		buf_fini(&s->address);
}

void server_slot_free(struct smtp_server *srv, struct slot **slot)
{
	struct slot *s = *slot;

	if (!s)
		return;
	*slot = NULL;
	slot_fini(s);
	if (s == &srv->own) {
		srv->is_own_used = false;
		return;
	}
	buf_fini(&s->address);
	free(s);
}

static struct slot *slot_new(struct smtp_server *srv, const char *verb)
{
	struct slot *s = srv->is_own_used ? mem_new(struct slot) : &srv->own;
	struct buf address = s->address;

	srv->is_own_used = true;
	buf_clear(&address);
	*s = (struct slot){ .verb = verb, .address = address };
	list_push_back(&srv->slots, &s->node);
	return s;
}

/* The one slot of a chunk that is refused. */
static bool is_held(const struct smtp_server *srv)
{
	return srv->mode == MODE_CHUNK && srv->chunk.is_refused;
}

void server_flush(struct smtp_server *srv)
{
	struct list_node *node;

	if (is_held(srv))
		return;
	while ((node = list_first(&srv->slots))) {
		struct slot *s = list_entry(node, struct slot, node);

		if (!s->is_answered)
			return;
		list_remove(&srv->slots, node);
		buf_put_span(&srv->output, buf_span(&s->octets));
		if (s->code >= 400)
			list_push_back(&srv->refused, node);
		else
			server_slot_free(srv, &s);
	}
}

static void fill_challenge(struct buf *out, struct span challenge)
{
	buf_put_text(out, "334 ");
	base64_encode(challenge, out);
	buf_put(out, "\r\n", 2);
}

/* Some clients take 250 for success here, and nothing else. */
static int code_for(const struct slot *s, int code)
{
	bool is_plain = s->type == SMTP_EVENT_MAIL || s->type == SMTP_EVENT_BODY_END;

	return is_plain && code / 100 == 2 ? 250 : code;
}

/* Its octets may go to the output at once. A refusal waits: what it settles may hold it back. */
static bool is_next(const struct smtp_server *srv, const struct slot *s, int code)
{
	return code < 400 && list_first(&srv->slots) == &s->node && !is_held(srv);
}

static void fill(struct smtp_server *srv, struct slot *s, const struct smtp_reply *reply)
{
	struct smtp_reply said = *reply;
	struct buf *to = is_next(srv, s, reply->code) ? &srv->output : &s->octets;

	s->is_answered = true;
	s->code = said.code = code_for(s, reply->code);
	if (said.code >= 400) {
		s->ref = ++srv->last_ref;
		server_put_refusal(srv, &said, buf_span(&s->address), s->ref, &s->text, &s->octets);
	} else if (said.code == 334) {
		fill_challenge(to, said.text);
	} else if (srv->mode != MODE_BDAT) {
		/* RFC 3030 2: there is no 354 behind BDAT; its octets follow it at once. */
		smtp_reply_format(&said, span_of("", 0), to);
	}
}

/* RFC 5321 3.8: 421 is the one reply behind which the server closes, whatever it answers. */
static void heed_421(struct smtp_server *srv, const struct smtp_reply *reply)
{
	if (reply->code == 421)
		server_close(srv, SMTP_EVENT_CLOSE, reply->code, reply->text);
}

struct slot *server_ask(struct smtp_server *srv, const char *verb, enum smtp_event_type type,
			void (*settle)(struct smtp_server *, const struct smtp_reply *),
			struct smtp_event *ev)
{
	struct slot *s = slot_new(srv, verb);

	if (++srv->last_ticket == 0)
		++srv->last_ticket;
	s->ticket = srv->last_ticket;
	s->type = type;
	s->settle = settle;
	ev->type = type;
	ev->ticket = s->ticket;
	return s;
}

void server_say_of(struct smtp_server *srv, const char *verb, struct span address,
		   const struct smtp_reply *reply)
{
	struct slot *s = slot_new(srv, verb);

	buf_put_span(&s->address, address);
	fill(srv, s, reply);
	heed_421(srv, reply);
	server_flush(srv);
}

void server_say(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply)
{
	server_say_of(srv, verb, span_of("", 0), reply);
}

void server_say_octets(struct smtp_server *srv, const char *verb, int code, struct span octets)
{
	struct slot *s = slot_new(srv, verb);

	s->is_answered = true;
	s->code = code;
	buf_put_span(&s->octets, octets);
	server_flush(srv);
}

void server_refuse_of(struct smtp_server *srv, const char *verb, struct span address,
		      const struct smtp_reply *reply)
{
	static const struct smtp_reply enough =
		SMTP_REPLY(421, 4, 7, 0, "Too many errors in this session; connect again later");

	if (srv->connection.errors < srv->conf.errors) {
		srv->connection.errors++;
		server_say_of(srv, verb, address, reply);
	} else {
		server_say(srv, verb, &enough);
	}
}

void server_refuse(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply)
{
	server_refuse_of(srv, verb, span_of("", 0), reply);
}

void server_drop_slots(struct smtp_server *srv)
{
	struct list_node *node;

	while ((node = list_pop_front(&srv->slots))) {
		struct slot *s = list_entry(node, struct slot, node);

		server_slot_free(srv, &s);
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
	server_flush(srv);
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
