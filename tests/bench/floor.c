/* floor: what a submission server costs at the least: SMTP over epoll and GnuTLS, and nothing else.
 *
 *	floor [-t THREADS] [-f HOST:PORT] [-i] [-T] [-r] CERTIFICATE KEY
 *
 *	-f  passes each message on to this smarthost, over plain connections that are kept, and answers
 *	    when the smarthost has; otherwise drops it
 *	-i  TLS from the first octet; otherwise STARTTLS
 *	-T  has a ticket key, so that sessions are resumed, and sends tickets as GnuTLS does by itself
 *	-r  the same with one ticket for each handshake
 *
 * Prints "port N". Any AUTH PLAIN is taken, every envelope and every content. No policy, no log, no spool;
 * GnuTLS with its own defaults. Each connection belongs to one thread.
 */
#include "text.h"
#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS_MAX = 64, EVENTS = 256, PART_OCTETS = 16384, ENVELOPE_OCTETS = 2048 };

struct thread;

/* What stands first in all that epoll knows. */
struct party {
	void (*event)(struct party *p, uint32_t events);
	struct thread *thread;
	struct wire wire;
};

enum client_state { CLIENT_COMMANDS, CLIENT_SHAKING, CLIENT_LOGIN, CLIENT_CONTENT, CLIENT_WAITS };

struct client {
	struct party party;
	struct hop *hop; /* from DATA to the answer */
	enum client_state state;
	bool is_over;
	unsigned dot, recipients;
	struct line line;
	size_t envelope_len, early_len;
	char *early; /* what came while it waits */
	char envelope[ENVELOPE_OCTETS];
};

/* A connection to the smarthost. */
struct hop {
	struct party party;
	LIST_ENTRY(hop) entry;
	struct client *client; /* NULL: idle */
	enum { HOP_GREETING, HOP_EHLO, HOP_READY, HOP_ENVELOPE, HOP_CONTENT } state;
	unsigned replies; /* of the envelope still to come, that of DATA last */
	struct line line;
};

LIST_HEAD(hops, hop);

struct thread {
	int epoll;
	struct hops idle;
	struct wire_room room;
	size_t said;
	char says[4096], part[PART_OCTETS];
};

static struct {
	int threads;
	bool passes_on, is_implicit, has_tickets, has_one_ticket;
	struct sockaddr_storage smarthost;
	gnutls_certificate_credentials_t own;
	gnutls_priority_t priority;
	gnutls_datum_t ticket_key;
} set = { .threads = 1 };

static struct thread *threads;
static int listener;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(1);
}

static void *need(void *memory)
{
	if (memory == NULL)
		die("memory", "none left");
	return memory;
}

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
	wire_flush(&c->party.wire);
}

static void client_close(struct client *c);
static void client_go_on(struct client *c, const char *reply);

/* Towards the smarthost. */

static void hop_close(struct hop *h)
{
	if (h->client == NULL)
		LIST_REMOVE(h, entry);
	wire_fini(&h->party.wire);
	free(h);
}

static void hop_fail(struct hop *h)
{
	struct client *c = h->client;

	hop_close(h);
	if (c == NULL)
		return;
	c->hop = NULL;
	client_close(c);
}

static void hop_begin(struct hop *h)
{
	struct client *c = h->client;

	h->state = HOP_ENVELOPE;
	h->replies = 2 + c->recipients;
	wire_put(&h->party.wire, c->envelope, c->envelope_len);
	wire_put(&h->party.wire, "DATA\r\n", 6);
	wire_flush(&h->party.wire);
}

static void hop_done(struct hop *h)
{
	struct client *c = h->client;

	h->state = HOP_READY;
	h->client = NULL;
	LIST_INSERT_HEAD(&h->party.thread->idle, h, entry);
	c->hop = NULL;
	client_go_on(c, "250 2.0.0 passed on\r\n");
}

/* One whole reply; false: not the wanted one. */
static bool hop_reply(struct hop *h)
{
	char kind = h->line.text[0];

	switch (h->state) {
	case HOP_GREETING:
		h->state = HOP_EHLO;
		wire_put(&h->party.wire, "EHLO floor.test\r\n", 17);
		wire_flush(&h->party.wire);
		return kind == '2';
	case HOP_EHLO:
		hop_begin(h);
		return kind == '2';
	case HOP_ENVELOPE:
		if (--h->replies)
			return kind == '2';
		h->state = HOP_CONTENT;
		if (kind == '3')
			client_go_on(h->client, "354 go on\r\n");
		return kind == '3';
	case HOP_CONTENT:
		if (kind == '2')
			hop_done(h);
		return kind == '2';
	default:
		return false;
	}
}

static bool hop_read(struct hop *h, const char *at, size_t n)
{
	while (n) {
		size_t part = line_take(&h->line, at, n);

		at += part;
		n -= part;
		if (h->line.is_whole && (h->line.len < 4 || h->line.text[3] != '-') &&
		    !hop_reply(h))
			return false;
	}
	return true;
}

static void hop_event(struct party *p, uint32_t events)
{
	struct hop *h = (struct hop *)p;
	char *part = p->thread->part;
	ssize_t n;

	wire_turn(&p->wire, events);
	if (p->wire.held && (events & EPOLLOUT))
		wire_flush(&p->wire);
	while ((n = wire_get(&p->wire, part, PART_OCTETS)) > 0)
		if (!hop_read(h, part, (size_t)n))
			break;
	if (n != -EAGAIN)
		hop_fail(h);
}

/* A warm one, or a new one. */
static void hop_take(struct client *c)
{
	struct thread *t = c->party.thread;
	struct hop *h = LIST_FIRST(&t->idle);
	int fd;

	if (h) {
		LIST_REMOVE(h, entry);
		h->client = c;
		c->hop = h;
		hop_begin(h);
		return;
	}
	fd = wire_dial(&set.smarthost, NULL);
	if (fd < 0)
		die("smarthost", strerror(-fd));
	c->hop = h = need(calloc(1, sizeof(*h)));
	h->client = c;
	h->party.event = hop_event;
	h->party.thread = t;
	wire_init(&h->party.wire, &t->room, fd);
	if (wire_watch(&h->party.wire, t->epoll, h) < 0)
		die("epoll", strerror(errno));
}

/* Towards the client. */

static void client_close(struct client *c)
{
	if (c->hop)
		hop_close(c->hop);
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
	say_all(c);
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
	while (n && !c->is_over) {
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
	if (c->hop && c->hop->party.wire.room)
		wire_flush(&c->hop->party.wire);
	say_all(c);
	if (!c->is_over)
		return;
	if (c->party.wire.tls && c->state != CLIENT_SHAKING) {
		gnutls_bye(c->party.wire.tls, GNUTLS_SHUT_WR);
		wire_flush(&c->party.wire);
	}
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

/* The smarthost has answered. */
static void client_go_on(struct client *c, const char *reply)
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

static void accept_clients(struct party *of, uint32_t events)
{
	static const char greeting[] = "220 floor.test ESMTP\r\n";
	static unsigned turn;
	int fd;

	(void)of;
	(void)events;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *c = need(calloc(1, sizeof(*c)));
		struct thread *t = &threads[turn++ % (unsigned)set.threads];

		c->party.event = client_event;
		c->party.thread = t;
		/* Before epoll knows it: then it is its thread's. */
		wire_init(&c->party.wire, &t->room, fd);
		if (set.is_implicit)
			client_secure(c);
		else
			send(fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
		if (wire_watch(&c->party.wire, t->epoll, c) < 0)
			die("epoll", strerror(errno));
	}
}

static void *work(void *arg)
{
	struct epoll_event events[EVENTS];
	struct thread *t = arg;

	for (;;) {
		int n = epoll_wait(t->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct party *p = events[i].data.ptr;

			p->event(p, events[i].events);
		}
	}
	return NULL;
}

static void start(void)
{
	static struct party door = { .event = accept_clients };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &door };
	pthread_t thread;

	threads = need(calloc((size_t)set.threads, sizeof(*threads)));
	for (int i = 0; i < set.threads; i++)
		threads[i].epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(threads[0].epoll, EPOLL_CTL_ADD, listener, &e) < 0)
		die("epoll", strerror(errno));
	for (int i = 1; i < set.threads; i++)
		if (pthread_create(&thread, NULL, work, &threads[i]) != 0)
			die("thread", strerror(errno));
	work(&threads[0]);
}

static void prepare(const char *certificate, const char *key)
{
	int rc;

	gnutls_priority_init(&set.priority, NULL, NULL);
	gnutls_certificate_allocate_credentials(&set.own);
	rc = gnutls_certificate_set_x509_key_file(set.own, certificate, key, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		die(certificate, gnutls_strerror(rc));
	gnutls_session_ticket_key_generate(&set.ticket_key);
}

static bool parse_smarthost(char *text)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL)
		return false;
	*colon = '\0';
	set.passes_on = true;
	return wire_address(&set.smarthost, text, atoi(colon + 1)) == 0;
}

static bool parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "t:f:iTr")) != -1) {
		if (c == 't')
			set.threads = atoi(optarg);
		else if (c == 'f' && !parse_smarthost(optarg))
			return false;
		else if (c == 'i')
			set.is_implicit = true;
		else if (c == 'T')
			set.has_tickets = true;
		else if (c == 'r')
			set.has_one_ticket = true;
		else if (c == '?')
			return false;
	}
	return argc - optind == 2 && set.threads > 0 && set.threads <= THREADS_MAX;
}

int main(int argc, char **argv)
{
	int port = 0;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: floor [-t THREADS] [-f HOST:PORT] [-i] [-T] [-r] "
				"CERTIFICATE KEY\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	prepare(argv[optind], argv[optind + 1]);
	listener = wire_listen(&port);
	if (listener < 0)
		die("listen", strerror(-listener));
	printf("port %d\n", port);
	fflush(stdout);
	start();
	return 0;
}
