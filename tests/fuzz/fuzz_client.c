/* The client engine against a peer that says anything. The first octet chooses TLS, login, pieces,
 * and whether messages go in steps; what follows is the peer's, a line at a time, or, with steps and
 * where a line begins with '!', the user's. */
#include "base/require.h"
#include "smtp/client.h"

#define RECIPIENTS 3

enum { TLS = 3, LOGIN = 4, PIECES = 8, STEPS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct user {
	struct smtp_client *cl;
	enum smtp_client_tls tls;
	bool in_steps, is_tls, is_lost, is_over;
	/* A message: begun and without RESULT; recipients may be added; verdicts are not wanted. */
	bool is_sending, is_open, is_given_up;
	size_t added, told, accepted;
	unsigned messages;
};

static void look_at_plain_text(struct span out)
{
	while (out.len) {
		require(span_istarts(out, "EHLO h\r\n") || span_istarts(out, "STARTTLS\r\n") ||
			span_istarts(out, "QUIT\r\n"));
		out = span_from(out, span_find(out, '\n') + 1);
	}
}

static void flush(struct user *u)
{
	struct span out = smtp_client_output(u->cl);

	require(!u->is_lost || out.len == 0);
	if (u->tls == SMTP_CLIENT_TLS_STARTTLS && !u->is_tls)
		look_at_plain_text(out);
	smtp_client_sent(u->cl, out.len);
}

static void send_message(struct user *u)
{
	static const char *const names[RECIPIENTS] = { "a@x", "b@x", "c@x" };
	const struct smtp_rcpt_params params[RECIPIENTS] = { { SMTP_NOTIFY_NEVER, { NULL, 0 } } };
	struct span recipients[RECIPIENTS];
	struct smtp_client_message m = { .sender = span_text("s@x"), .recipients = recipients };

	if (u->messages++ == 3) {
		smtp_client_quit(u->cl);
		u->is_over = true;
		return;
	}
	for (size_t i = 0; i < RECIPIENTS; i++)
		recipients[i] = span_text(names[i]);
	m.recipient_count = u->in_steps ? u->messages % 2 : RECIPIENTS;
	m.params = params;
	m.envid = span_text("1");
	m.size = 100;
	m.form = u->messages == 2 ? SMTP_FORM_8BIT : u->messages == 3 ? SMTP_FORM_BINARY : 0;
	m.is_utf8 = u->messages == 1;
	m.require_tls = u->messages == 2 && u->is_tls;
	u->is_sending = true;
	u->is_open = u->in_steps;
	u->is_given_up = false;
	u->added = m.recipient_count;
	u->told = u->accepted = 0;
	(u->in_steps ? smtp_client_mail : smtp_client_message)(u->cl, &m);
}

static void add(struct user *u, const char *mailbox)
{
	const struct smtp_rcpt_params params = { SMTP_NOTIFY_DELAY, span_text("rfc822;a\r\n") };

	u->added++;
	smtp_client_recipient(u->cl, span_text(mailbox), &params);
}

static void give_up(struct user *u)
{
	smtp_client_reset(u->cl);
	u->is_open = false;
	u->is_given_up = true;
}

static unsigned form_of(unsigned char what)
{
	return what == '8' ? SMTP_FORM_8BIT : what == 'y' ? SMTP_FORM_BINARY : 0;
}

static void act(struct user *u, struct span what)
{
	if (!u->is_open || what.len < 2)
		return;
	if (what.at[1] == 'r')
		add(u, "r@x");
	else if (what.at[1] == 'b')
		add(u, "\r\n@x");
	else if (what.at[1] == 'u')
		add(u, "\303\274@x");
	else if (what.at[1] == 'd')
		add(u, "u@b\303\274cher.example");
	else if (what.at[1] == 'x')
		give_up(u);
	else {
		u->is_open = false;
		smtp_client_content(u->cl, what.at[1] == 'l' ? 1 << 20 : 100, form_of(what.at[1]));
	}
}

static void on_rcpt(struct user *u, const struct smtp_client_event *ev)
{
	require(u->is_sending && !u->is_given_up);
	require(ev->index == u->told && u->told < u->added);
	u->told++;
	u->accepted += ev->reply.code < 300;
}

static void on_ready(struct user *u)
{
	require(!u->is_sending || u->is_given_up);
	send_message(u);
}

static void send_content(struct user *u)
{
	require(u->is_sending && !u->is_open && !u->is_given_up);
	require(u->told == u->added && u->accepted > 0);
	smtp_client_body(u->cl, span_text("Subject: x\r\n\r\n.\r\n"));
	smtp_client_body_end(u->cl);
}

static void on_event(struct user *u, const struct smtp_client_event *ev)
{
	const struct span secret = span_text("secret");

	require(!u->is_lost && !(u->is_over && ev->type != SMTP_CLIENT_LOST));
	require(ev->reply.text.len <= 1000);
	switch (ev->type) {
	case SMTP_CLIENT_START_TLS:
		flush(u);
		u->is_tls = true;
		smtp_client_tls_started(u->cl);
		break;
	case SMTP_CLIENT_LOGIN:
		require(ev->text.len > 0);
		smtp_client_login(u->cl, "PLAIN", u->messages % 2 ? &secret : NULL);
		break;
	case SMTP_CLIENT_CHALLENGE:
		if (ev->data.len > 20)
			smtp_client_cancel_login(u->cl);
		else
			smtp_client_respond(u->cl, secret);
		break;
	case SMTP_CLIENT_READY:
		on_ready(u);
		break;
	case SMTP_CLIENT_RCPT:
		on_rcpt(u, ev);
		break;
	case SMTP_CLIENT_RESULT:
		require(u->is_sending && !u->is_given_up);
		u->is_sending = false;
		break;
	case SMTP_CLIENT_SEND_BODY:
		send_content(u);
		break;
	case SMTP_CLIENT_REFUSED:
		u->is_over = true;
		break;
	case SMTP_CLIENT_LOST:
		u->is_lost = true;
		break;
	case SMTP_CLIENT_MORE:
		break;
	}
}

static void feed(struct user *u, struct span octets)
{
	struct smtp_client_event ev;

	smtp_client_feed(u->cl, octets);
	while (smtp_client_next(u->cl, &ev) != SMTP_CLIENT_MORE)
		on_event(u, &ev);
	flush(u);
}

/* A line of the peer's or of the user's. */
static void take_line(struct user *u, struct span line, bool is_in_pieces)
{
	struct span none = span_of(NULL, 0);

	if (u->in_steps && line.at[0] == '!') {
		act(u, line);
		feed(u, none);
		return;
	}
	for (size_t i = 0; is_in_pieces && i < line.len; i++)
		feed(u, span_of(line.at + i, 1));
	if (!is_in_pieces)
		feed(u, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_client_conf conf = { .ehlo_name = "h" };
	struct user u = { 0 };
	struct span in;

	if (size == 0)
		return 0;
	conf.tls = u.tls = (enum smtp_client_tls)((data[0] & TLS) % 3);
	conf.login = data[0] & LOGIN;
	u.in_steps = data[0] & STEPS;
	u.cl = smtp_client_new(&conf);
	for (in = span_of(data + 1, size - 1); in.len;) {
		size_t n = span_find(in, '\n') + 1;

		take_line(&u, span_first(in, n), data[0] & PIECES);
		in = span_from(in, n);
	}
	smtp_client_lost(u.cl);
	feed(&u, span_of(NULL, 0));
	require(u.is_lost);
	smtp_client_free(&u.cl);
	return 0;
}
