/* The server engine against a client that says anything.
 *
 * The first octet chooses where the session starts, the second the pieces. The stream is said by
 * octets and by pieces, where a piece ends where a client must wait (DATA, STARTTLS): both must come
 * to the same. Then it is said once more with late answers in any order, which must leave nothing
 * open. */
#include "base/require.h"
#include "session.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM_MOST = 4096 };

struct plan {
	struct smtp_server_conf conf;
	bool is_logged_in;
	uint32_t seed;
	struct span stream;
	bool stops[STREAM_MOST + 1]; /* a client waits behind this many octets */
};

static uint32_t draw(struct plan *p, uint32_t below)
{
	p->seed = p->seed * 1664525 + 1013904223;
	return (p->seed >> 16) % below;
}

static void start(const struct plan *p, struct session *s)
{
	session_start(s, &p->conf);
	session_forget(s);
	if (p->is_logged_in)
		session_log_in(s);
}

/* Behind each line that looks like DATA or STARTTLS, executed or not. */
static void find_stops(struct plan *p)
{
	struct span line = p->stream;

	while (line.len) {
		size_t n = span_find(line, '\n');

		if (n < line.len && (span_istarts(line, "DATA") || span_istarts(line, "STARTTLS")))
			p->stops[p->stream.len - line.len + n + 1] = true;
		line = span_from(line, n + 1);
	}
}

static void say_by_octets(const struct plan *p, struct session *s)
{
	start(p, s);
	for (size_t i = 0; i < p->stream.len; i++)
		session_feed(s, span_of(p->stream.at + i, 1));
}

static void say_by_pieces(struct plan *p, struct session *s)
{
	size_t most = 1 + draw(p, 300);

	start(p, s);
	for (size_t from = 0, to = 0; from < p->stream.len; from = to) {
		size_t n = 1 + draw(p, (uint32_t)most);

		while (n-- && to < p->stream.len && (to == from || !p->stops[to]))
			to++;
		session_feed(s, span_of(p->stream.at + from, to - from));
	}
}

static void require_same(const struct session *a, const struct session *b)
{
	require(span_eq(buf_span(&a->events), buf_span(&b->events)));
	require(span_eq(buf_span(&a->output), buf_span(&b->output)));
	require(span_eq(buf_span(&a->content), buf_span(&b->content)));
	require(smtp_server_phase(a->srv) == smtp_server_phase(b->srv));
	require(smtp_server_is_authenticated(a->srv) == smtp_server_is_authenticated(b->srv));
}

/* Nobody relays without TLS and a login. */
static void require_safe(const struct plan *p, const struct session *s)
{
	if (smtp_server_is_authenticated(s->srv))
		return;
	require(s->content.len == 0 || p->is_logged_in || s->logins);
}

/* All lines end in CRLF and begin with a code. */
static void require_replies(struct span out)
{
	while (out.len) {
		size_t n = span_find(out, '\n');

		require(n < out.len && n >= 4 && out.at[n - 1] == '\r' && n < 512);
		require(out.at[0] >= '2' && out.at[0] <= '5');
		require(span_find(span_first(out, n - 1), '\r') == n - 1);
		out = span_from(out, n + 1);
	}
}

/* The late answers. */

enum { OPEN_MOST = 128 };

struct late {
	struct smtp_server *srv;
	unsigned tickets[OPEN_MOST];
	enum smtp_event_type types[OPEN_MOST];
	size_t open;
	bool is_over;
};

static int code_for(struct plan *p, enum smtp_event_type type)
{
	static const int good[] = {
		[SMTP_EVENT_STARTTLS] = 454, [SMTP_EVENT_AUTH] = 235, [SMTP_EVENT_AUTH_LINE] = 235,
		[SMTP_EVENT_MAIL] = 250,     [SMTP_EVENT_RCPT] = 250, [SMTP_EVENT_BODY_BEGIN] = 354,
		[SMTP_EVENT_BODY_END] = 250,
	};
	bool is_auth = type == SMTP_EVENT_AUTH || type == SMTP_EVENT_AUTH_LINE;

	if (is_auth && draw(p, 2))
		return 334;
	return draw(p, 8) ? good[type] : draw(p, 20) ? 550 : 421;
}

static void answer_one(struct plan *p, struct late *l)
{
	size_t i = draw(p, (uint32_t)l->open);
	struct smtp_reply reply = { code_for(p, l->types[i]), { 0 }, span_text("so") };

	smtp_server_answer(l->srv, l->tickets[i], &reply);
	l->open--;
	l->tickets[i] = l->tickets[l->open];
	l->types[i] = l->types[l->open];
}

static void take_event(struct late *l, const struct smtp_event *ev)
{
	require(!l->is_over || ev->type == SMTP_EVENT_REFUSED);
	l->is_over |= ev->type == SMTP_EVENT_CLOSE || ev->type == SMTP_EVENT_QUIT;
	if (l->is_over)
		l->open = 0;
	if (ev->ticket == 0)
		return;
	require(l->open < OPEN_MOST && !l->is_over);
	l->tickets[l->open] = ev->ticket;
	l->types[l->open++] = ev->type;
}

/* Takes events until all input is used up or no answer is given any more. */
static void take_events(struct plan *p, struct late *l, bool is_last)
{
	struct smtp_event ev;
	enum smtp_event_type type;

	for (;;) {
		type = smtp_server_next(l->srv, &ev);
		if (type == SMTP_EVENT_MORE)
			require(smtp_server_left(l->srv) == 0);
		if (type == SMTP_EVENT_MORE && !(is_last && l->open))
			return;
		if (type != SMTP_EVENT_WAIT && type != SMTP_EVENT_MORE) {
			take_event(l, &ev);
			continue;
		}
		require(l->open || smtp_server_output(l->srv).len);
		smtp_server_sent(l->srv, smtp_server_output(l->srv).len);
		if (!is_last && draw(p, 3) == 0)
			return;
		if (l->open)
			answer_one(p, l);
	}
}

static void say_with_late_answers(struct plan *p)
{
	struct late l = { .srv = smtp_server_new(&p->conf) };
	size_t used = 0;

	smtp_server_greet(l.srv, NULL);
	while (used < p->stream.len) {
		size_t n = 1 + draw(p, 400);
		struct span piece = span_first(span_from(p->stream, used), n);
		unsigned char *copy = malloc(piece.len);

		memcpy(copy, piece.at, piece.len);
		smtp_server_feed(l.srv, span_of(copy, piece.len));
		take_events(p, &l, used + piece.len == p->stream.len);
		used += piece.len - smtp_server_left(l.srv);
		smtp_server_feed(l.srv, span_of(NULL, 0));
		free(copy);
	}
	require(l.open == 0);
	smtp_server_free(&l.srv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan p;
	struct session octets, pieces;

	if (size < 2 || size > STREAM_MOST)
		return 0;
	memset(&p, 0, sizeof(p));
	p.conf = session_conf();
	p.conf.is_tls = data[0] & 1;
	p.conf.starttls_offered = !(data[0] & 1);
	p.conf.refuse_bare_lf = data[0] & 2;
	p.conf.message_octets = data[0] & 4 ? 20 : 0;
	p.conf.output_octets = data[0] & 8 ? 100 : 65536;
	p.is_logged_in = p.conf.is_tls && data[0] & 16;
	p.conf.errors = data[0] & 32 ? 2 : 20;
	p.conf.offers_utf8 = p.conf.offers_require_tls = data[0] & 64;
	p.conf.future_s = data[0] & 64 ? 1000 : 0;
	p.conf.future_until = "2026-11-29T12:00:00Z";
	p.conf.footer = data[0] & 128 ? "Help: +49 30 1234" : "";
	p.conf.auth_line = data[0] & 128;
	p.seed = data[1];
	p.stream = span_of(data + 2, size - 2);
	find_stops(&p);
	say_by_octets(&p, &octets);
	say_by_pieces(&p, &pieces);
	require_same(&octets, &pieces);
	require_safe(&p, &octets);
	require_replies(buf_span(&octets.output));
	session_end(&octets);
	session_end(&pieces);
	p.conf.allow_plaintext = true;
	say_with_late_answers(&p);
	return 0;
}
