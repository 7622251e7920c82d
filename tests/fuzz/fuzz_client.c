/* The client engine against a peer that says anything. The first octet chooses TLS, login and
 * pieces; what follows is the peer's, a line at a time. */
#include "base/require.h"
#include "smtp/client.h"

#define RECIPIENTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct user {
	struct smtp_client *cl;
	enum smtp_client_tls tls;
	bool is_tls, is_lost, is_over, is_sending;
	unsigned verdicts[RECIPIENTS];
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
	struct span recipients[RECIPIENTS];
	struct smtp_client_message m = { span_text("s@x"), recipients, RECIPIENTS, 100, false };

	require(!u->is_sending);
	if (u->messages++ == 3) {
		smtp_client_quit(u->cl);
		u->is_over = true;
		return;
	}
	for (size_t i = 0; i < RECIPIENTS; i++) {
		recipients[i] = span_text(names[i]);
		u->verdicts[i] = 0;
	}
	u->is_sending = true;
	m.has_8bit = u->messages == 2;
	smtp_client_message(u->cl, &m);
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
		send_message(u);
		break;
	case SMTP_CLIENT_RCPT:
		require(u->is_sending && ev->index < RECIPIENTS && !u->verdicts[ev->index]++);
		break;
	case SMTP_CLIENT_RESULT:
		require(u->is_sending);
		u->is_sending = false;
		break;
	case SMTP_CLIENT_SEND_BODY:
		require(u->is_sending);
		smtp_client_body(u->cl, span_text("Subject: x\r\n\r\n.\r\n"));
		smtp_client_body_end(u->cl);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_client_conf conf = { .ehlo_name = "h" };
	struct user u = { 0 };
	struct span in;

	if (size == 0)
		return 0;
	conf.tls = u.tls = (enum smtp_client_tls)(data[0] % 3);
	conf.login = data[0] & 4;
	u.cl = smtp_client_new(&conf);
	for (in = span_of(data + 1, size - 1); in.len;) {
		size_t n = data[0] & 8 ? 1 : span_find(in, '\n') + 1;

		feed(&u, span_first(in, n));
		in = span_from(in, n);
	}
	smtp_client_lost(u.cl);
	feed(&u, span_of(NULL, 0));
	require(u.is_lost);
	smtp_client_free(&u.cl);
	return 0;
}
