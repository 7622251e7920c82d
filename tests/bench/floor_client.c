#include "floor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Replies of one turn go in one record and one write. */
static void say(struct client *c, const char *text)
{
	struct thread *t = c->party.thread;
	size_t n = strlen(text);

	if (t->said + n > sizeof(t->says)) {
		wire_put(&c->party.wire, t->says, t->said);
		t->said = 0;
	}
	memcpy(t->says + t->said, text, n);
	t->said += n;
}

static void say_all(struct client *c)
{
	struct thread *t = c->party.thread;

	if (t->said)
		wire_put(&c->party.wire, t->says, t->said);
	t->said = 0;
}

void client_close(struct client *c)
{
	if (c->hop)
		hop_close(c->hop);
	hop_forget(c);
	wire_fini(&c->party.wire);
	free(c->early);
	free(c);
}

static void client_shake(struct client *c)
{
	int rc = wire_shake(&c->party.wire);

	if (rc == -EAGAIN)
		return;
	if (rc < 0) {
		c->is_over = true;
		return;
	}
	if (set.has_one_ticket && !gnutls_session_is_resumed(c->party.wire.tls))
		gnutls_session_ticket_send(c->party.wire.tls, 1, 0);
	c->state = CLIENT_COMMANDS;
	if (set.is_implicit)
		say(c, "220 floor.test ESMTP\r\n");
}

static void client_secure(struct client *c)
{
	unsigned flags = GNUTLS_SERVER | GNUTLS_NONBLOCK;
	gnutls_session_t tls;

	if (set.has_one_ticket)
		flags |= GNUTLS_NO_AUTO_SEND_TICKET;
	if (gnutls_init(&tls, flags) < 0)
		die("gnutls", "init");
	gnutls_priority_set(tls, set.priority);
	gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, set.own);
	if (set.has_tickets || set.has_one_ticket)
		gnutls_session_ticket_enable_server(tls, &set.ticket_key);
	wire_secure(&c->party.wire, tls);
	c->state = CLIENT_SHAKING;
}

static void on_ehlo(struct client *c)
{
	say(c, c->party.wire.tls ? "250-floor.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
				   "250-SIZE 104857600\r\n250 AUTH PLAIN\r\n"
				 : "250-floor.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
}

static void on_starttls(struct client *c)
{
	if (c->party.wire.tls) {
		say(c, "503 5.5.1 already\r\n");
		return;
	}
	say(c, "220 2.0.0 go on\r\n");
	say_all(c); /* in the clear */
	client_secure(c);
}

static void on_auth(struct client *c)
{
	if (c->line.len > strlen("AUTH PLAIN ")) {
		say(c, "235 2.7.0 in\r\n");
		return;
	}
	say(c, "334 \r\n");
	c->state = CLIENT_LOGIN;
}

static void envelope_add(struct client *c, const char *reply)
{
	if (c->envelope_len + c->line.len + 2 > sizeof(c->envelope)) {
		say(c, "452 4.5.3 too many\r\n");
		return;
	}
	memcpy(c->envelope + c->envelope_len, c->line.text, c->line.len);
	memcpy(c->envelope + c->envelope_len + c->line.len, "\r\n", 2);
	c->envelope_len += c->line.len + 2;
	say(c, reply);
}

static void on_mail(struct client *c)
{
	c->envelope_len = c->recipients = 0;
	envelope_add(c, "250 2.1.0 ok\r\n");
}

static void on_rcpt(struct client *c)
{
	c->recipients++;
	envelope_add(c, "250 2.1.5 ok\r\n");
}

static void on_data(struct client *c)
{
	c->dot = DOT_START;
	if (set.passes_on) {
		c->state = CLIENT_WAITS;
		hop_take(c);
		return;
	}
	c->state = CLIENT_CONTENT;
	say(c, "354 go on\r\n");
}

static void on_other(struct client *c)
{
	c->envelope_len = c->recipients = 0;
	say(c, "250 2.0.0 ok\r\n");
}

static void on_quit(struct client *c)
{
	say(c, "221 2.0.0 bye\r\n");
	c->is_over = true;
}

static const struct {
	const char *verb;
	void (*handle)(struct client *c);
} verbs[] = { { "MAIL", on_mail }, { "RCPT", on_rcpt },	 { "DATA", on_data },
	      { "EHLO", on_ehlo }, { "AUTH", on_auth },	 { "STARTTLS", on_starttls },
	      { "QUIT", on_quit }, { "NOOP", on_other }, { "RSET", on_other } };

static void command(struct client *c)
{
	if (c->state == CLIENT_LOGIN) {
		c->state = CLIENT_COMMANDS;
		say(c, "235 2.7.0 in\r\n");
		return;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strncasecmp(c->line.text, verbs[i].verb, strlen(verbs[i].verb)) == 0) {
			verbs[i].handle(c);
			return;
		}
	}
	say(c, "500 5.5.2 unknown\r\n");
}

static size_t content(struct client *c, const char *at, size_t n)
{
	size_t part = dot_take(&c->dot, at, n);

	if (set.passes_on)
		wire_put(&c->hop->party.wire, at, part);
	if (c->dot != DOT_END)
		return part;
	c->state = set.passes_on ? CLIENT_WAITS : CLIENT_COMMANDS;
	if (!set.passes_on)
		say(c, "250 2.0.0 dropped\r\n");
	return part;
}

/* What a client sends before it has heard the answer (RFC 2920). */
static void keep_early(struct client *c, const char *at, size_t n)
{
	c->early = need(realloc(c->early, c->early_len + n));
	memcpy(c->early + c->early_len, at, n);
	c->early_len += n;
}

static void client_take(struct client *c, const char *at, size_t n)
{
	/* What came in the clear behind STARTTLS is not heard (RFC 3207, 5). */
	while (n && !c->is_over && c->state != CLIENT_SHAKING) {
		size_t part;

		if (c->state == CLIENT_WAITS) {
			keep_early(c, at, n);
			return;
		}
		if (c->state == CLIENT_CONTENT) {
			part = content(c, at, n);
		} else {
			part = line_take(&c->line, at, n);
			if (c->line.is_whole)
				command(c);
		}
		at += part;
		n -= part;
	}
}

static void client_read(struct client *c)
{
	struct thread *t = c->party.thread;
	ssize_t n = -EAGAIN;

	while (!c->is_over && c->state != CLIENT_SHAKING &&
	       (n = wire_get(&c->party.wire, t->part, sizeof(t->part))) > 0)
		client_take(c, t->part, (size_t)n);
	if (!c->is_over && c->state != CLIENT_SHAKING && n != -EAGAIN)
		c->is_over = true;
}

static void client_flush(struct client *c)
{
	if (c->hop)
		wire_flush(&c->hop->party.wire);
	say_all(c);
	if (c->is_over && c->party.wire.tls && c->state != CLIENT_SHAKING)
		gnutls_bye(c->party.wire.tls, GNUTLS_SHUT_WR);
	wire_flush(&c->party.wire);
	if (c->is_over)
		client_close(c);
}

static void client_event(struct party *p, uint32_t events)
{
	struct client *c = (struct client *)p;

	wire_turn(&p->wire, events);
	if (p->wire.held && (events & EPOLLOUT))
		wire_flush(&p->wire);
	if (c->state == CLIENT_SHAKING)
		client_shake(c);
	client_read(c);
	client_flush(c);
}

void client_go_on(struct client *c, const char *reply)
{
	char *early = c->early;
	size_t n = c->early_len;

	c->state = c->hop ? CLIENT_CONTENT : CLIENT_COMMANDS;
	c->early = NULL;
	c->early_len = 0;
	say(c, reply);
	client_take(c, early, n);
	client_flush(c);
	free(early);
}

struct client *client_new(struct thread *t, int fd)
{
	static const char greeting[] = "220 floor.test ESMTP\r\n";
	struct client *c = need(calloc(1, sizeof(*c)));

	c->party.event = client_event;
	c->party.thread = t;
	wire_init(&c->party.wire, &t->room, fd);
	if (set.is_implicit)
		client_secure(c);
	else
		send(fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
	return c;
}
