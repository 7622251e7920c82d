/* The client engine between a user who adds, gives up and ends as it likes and a peer that answers
 * as it likes, but keeps to the protocol and demands the same. Every run is given by its number.
 *
 * Demanded: commands in an order that a strict server takes; never more ahead of the replies than
 * was offered; each recipient's verdict once, its own and in order; exactly one RESULT for each
 * message that was not given up, and READY after it; no content without a recipient. */
#include "client_dialogue.h"

#include <stdio.h>

#include "test.h"

enum { RECIPIENTS_MOST = 8, MESSAGES = 4, RUNS = 30000 };

struct peer {
	bool has_pipelining;
	bool in_mail, in_data; /* as the server sees it */
	unsigned accepted;
	size_t due;	     /* commands whose replies were not fed yet */
	struct buf in;	     /* commands */
	struct buf replies;  /* not fed yet */
	unsigned recipients; /* RCPT commands since MAIL */
	bool has_mail;	     /* this message's MAIL was seen */
	unsigned codes[RECIPIENTS_MOST];
	unsigned messages; /* taken */
};

struct user {
	struct smtp_client *cl;
	struct peer peer;
	uint32_t seed;
	unsigned added, told, accepted;
	bool is_asked[RECIPIENTS_MOST];	 /* of the peer */
	unsigned place[RECIPIENTS_MOST]; /* among those asked */
	unsigned asked;
	bool is_open, is_sent, has_result, is_reset, is_ready, may_send;
	unsigned begun, taken, done;
	size_t run;
};

#define demand(u, what)                                                                            \
	do {                                                                                       \
		if (!(what))                                                                       \
			fail_msg("run %zu: %s", (u)->run, #what);                                  \
	} while (0)

static unsigned pick(struct user *u, unsigned below)
{
	u->seed = u->seed * 1664525u + 1013904223u;
	return (u->seed >> 16) % below;
}

static void say(struct peer *p, unsigned code, const char *text)
{
	buf_printf(&p->replies, "%u %s\r\n", code, text);
}

static unsigned any_code(struct user *u)
{
	static const unsigned codes[] = { 250, 250, 250, 251, 450, 550 };

	return codes[pick(u, 6)];
}

static void on_mail(struct user *u)
{
	struct peer *p = &u->peer;
	unsigned code = any_code(u);

	demand(u, !p->in_mail && !p->has_mail);
	p->has_mail = true;
	p->in_mail = code < 300;
	say(p, code, "sender");
}

static void on_rcpt(struct user *u)
{
	struct peer *p = &u->peer;
	unsigned code = p->in_mail ? any_code(u) : 503;

	demand(u, p->has_mail && p->recipients < RECIPIENTS_MOST);
	p->codes[p->recipients++] = code;
	p->accepted += code < 300;
	say(p, code, "recipient");
}

/* RFC 2920 3.1 leaves it to the server what it answers when no recipient is there. */
static void on_data(struct user *u)
{
	struct peer *p = &u->peer;
	bool is_taken = p->in_mail && (p->accepted ? pick(u, 4) > 0 : pick(u, 3) == 0);

	demand(u, p->has_mail && p->recipients > 0);
	p->in_data = is_taken;
	say(p, is_taken ? 354 : 554, "data");
}

static void on_dot(struct user *u)
{
	struct peer *p = &u->peer;
	unsigned code = p->accepted ? any_code(u) : 554;

	p->messages += p->accepted && code < 300;
	p->in_data = p->in_mail = p->has_mail = false;
	p->accepted = p->recipients = 0;
	say(p, code, "message");
}

static void on_rset(struct user *u)
{
	struct peer *p = &u->peer;

	demand(u, p->due == 1);
	p->in_mail = p->has_mail = false;
	p->accepted = p->recipients = 0;
	say(p, 250, "reset");
}

static const struct {
	const char *line;
	void (*on)(struct user *u);
} verbs[] = {
	{ "MAIL FROM:<", on_mail },
	{ "RCPT TO:<", on_rcpt },
	{ "DATA\r\n", on_data },
	{ "RSET\r\n", on_rset },
};

static void take_line(struct user *u, struct span line)
{
	if (u->peer.in_data) {
		demand(u, span_eq(line, span_text("x\r\n")) || span_eq(line, span_text(".\r\n")));
		if (line.at[0] != '.')
			return;
		u->peer.due++;
		on_dot(u);
		return;
	}
	u->peer.due++;
	demand(u, u->peer.has_pipelining || u->peer.due == 1);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (span_istarts(line, verbs[i].line)) {
			verbs[i].on(u);
			return;
		}
	demand(u, false);
}

/* The peer reads all that was sent. */
static void send_all(struct user *u)
{
	struct span out = smtp_client_output(u->cl);

	buf_put_span(&u->peer.in, out);
	smtp_client_sent(u->cl, out.len);
	while (u->peer.in.len) {
		struct span in = buf_span(&u->peer.in);
		size_t n = span_find(in, '\n') + 1;

		demand(u, n <= in.len);
		take_line(u, span_first(in, n));
		buf_drop(&u->peer.in, n);
	}
}

static void forget_message(struct user *u)
{
	u->added = u->told = u->accepted = u->asked = 0;
	u->is_open = u->is_sent = u->has_result = u->is_reset = false;
}

static void on_event_rcpt(struct user *u, const struct smtp_client_event *ev)
{
	unsigned code = (unsigned)ev->reply.code;

	demand(u, !u->has_result && !u->is_reset && ev->index == u->told && u->told < u->added);
	if (u->is_asked[u->told])
		demand(u, code == u->peer.codes[u->place[u->told]]);
	else
		demand(u, code == 553);
	u->accepted += code < 300;
	u->told++;
}

static void on_event_result(struct user *u, const struct smtp_client_event *ev)
{
	demand(u, (u->is_open || u->is_sent) && !u->has_result && !u->is_reset);
	if (!ev->is_before_body)
		demand(u, u->told == u->added && u->accepted > 0);
	u->taken += !ev->is_before_body && ev->reply.code < 300;
	u->has_result = true;
}

static void on_event(struct user *u, const struct smtp_client_event *ev)
{
	switch (ev->type) {
	case SMTP_CLIENT_READY:
		demand(u, u->begun == 0 || u->has_result || u->is_reset);
		u->done += u->begun > 0;
		forget_message(u);
		u->peer.has_mail = u->peer.in_mail;
		u->peer.recipients = 0;
		u->is_ready = true;
		break;
	case SMTP_CLIENT_RCPT:
		on_event_rcpt(u, ev);
		break;
	case SMTP_CLIENT_RESULT:
		on_event_result(u, ev);
		break;
	case SMTP_CLIENT_SEND_BODY:
		demand(u, u->is_sent && u->told == u->added && u->accepted > 0);
		smtp_client_body(u->cl, span_text("x\r\n"));
		smtp_client_body_end(u->cl);
		break;
	default:
		fail_msg("run %zu: event %d", u->run, (int)ev->type);
	}
}

static void take_events(struct user *u)
{
	struct smtp_client_event ev;

	while (smtp_client_next(u->cl, &ev) != SMTP_CLIENT_MORE)
		on_event(u, &ev);
	send_all(u);
}

/* Some octets of what the peer has to say. */
static void feed(struct user *u)
{
	struct span replies = buf_span(&u->peer.replies);
	size_t n = replies.len ? 1 + pick(u, (unsigned)replies.len) : 0;

	for (size_t i = 0; i < n; i++)
		u->peer.due -= replies.at[i] == '\n';
	smtp_client_feed(u->cl, span_first(replies, n));
	buf_drop(&u->peer.replies, n);
	take_events(u);
}

static void begin(struct user *u)
{
	struct span recipients[2] = { span_text("a@x"), span_text("b@x") };
	struct smtp_client_message m = { .sender = span_text("s@x"), .recipients = recipients };

	m.recipient_count = pick(u, 3);
	u->is_ready = false;
	u->is_open = true;
	u->begun++;
	for (size_t i = 0; i < m.recipient_count; i++) {
		u->is_asked[i] = true;
		u->place[i] = u->asked++;
	}
	u->added = (unsigned)m.recipient_count;
	smtp_client_mail(u->cl, &m);
}

static void add(struct user *u)
{
	bool is_bad = pick(u, 4) == 0;

	if (u->added == RECIPIENTS_MOST)
		return;
	if (!u->has_result) {
		u->is_asked[u->added] = !is_bad;
		u->place[u->added] = u->asked;
		u->asked += !is_bad;
		u->added++;
	}
	smtp_client_recipient(u->cl, span_text(is_bad ? "\x01@x" : "c@x"), NULL);
}

static void do_content(struct user *u)
{
	smtp_client_content(u->cl, 0, false);
	u->is_open = false;
	u->is_sent = true;
}

static void do_reset(struct user *u)
{
	smtp_client_reset(u->cl);
	u->is_open = false;
	u->is_reset = !u->has_result;
}

static void act(struct user *u)
{
	if (u->is_ready && u->begun < MESSAGES) {
		begin(u);
	} else if (u->is_open) {
		unsigned what = pick(u, 8);

		if (what < 5)
			add(u);
		else if (what < 7)
			do_content(u);
		else
			do_reset(u);
	}
}

static void check_waits(struct user *u)
{
	unsigned seconds = smtp_client_waits(u->cl).seconds;

	demand(u, (seconds > 0) == (u->peer.due > 0));
}

static void run(size_t number)
{
	struct run r;
	struct user u = { .run = number, .seed = (uint32_t)number * 2654435761u, .is_ready = true };
	unsigned idle = 0;

	u.peer.has_pipelining = number % 2;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, number % 2 ? "PIPELINING" : "X");
	u.cl = r.cl;
	for (unsigned i = 0; idle < 40; i++) {
		demand(&u, i < 10000);
		if (pick(&u, 2))
			feed(&u);
		else
			act(&u);
		/* A user may do several things before it looks at what has come. */
		if (pick(&u, 3))
			take_events(&u);
		if (u.peer.replies.len == 0 && smtp_client_output(u.cl).len == 0)
			check_waits(&u);
		idle = u.is_ready && u.begun == MESSAGES ? idle + 1 : 0;
	}
	demand(&u, u.done == MESSAGES && u.taken == u.peer.messages && u.peer.due == 0);
	buf_fini(&u.peer.in);
	buf_fini(&u.peer.replies);
	run_end(&r);
}

static void every_run(void **state)
{
	(void)state;
	for (size_t i = 0; i < RUNS; i++)
		run(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_run) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
