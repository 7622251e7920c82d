#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *words, *code;
} states[] = {
#define X(name, words, code) { words, code },
	LINK_STATES(X)
#undef X
};

static const char head[] = "From: Load <load@example.com>\r\nTo: sink@example.org\r\n"
			   "Subject: load\r\nDate: Sat, 21 Nov 2026 22:00:00 +0000\r\n";

static void link_end(struct link *l, enum ending how)
{
	wire_fini(&l->wire);
	l->state = LINK_CLOSED;
	work_ended(l, how);
}

static void link_fail(struct link *l, const char *words)
{
	tell_failure(states[l->state].words, words);
	link_end(l, ENDED_FAILED);
}

/* The connection ends before its time. Until the login it may be tried again. */
static void link_lose(struct link *l, const char *words)
{
	if (l->state == LINK_QUIT)
		link_end(l, ENDED_IN_ORDER);
	else if (set.keeps_going && l->state < LINK_READY)
		link_end(l, ENDED_REFUSED);
	else
		link_fail(l, words);
}

static void link_send(struct link *l, enum link_state next, const char *text)
{
	l->state = next;
	wire_put(&l->wire, text, strlen(text));
}

/* Flushes; a connection that is broken is told by the next event. */
static void link_flush(struct link *l)
{
	if (l->state != LINK_CLOSED)
		wire_flush(&l->wire);
}

/* A chain that was found good is compared from then on: what is measured is not the generator. */
static int verify_certificate(gnutls_session_t tls)
{
	struct worker *w = gnutls_session_get_ptr(tls);
	unsigned count = 0, status = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls, &count);

	if (count && w->known.size == chain->size &&
	    memcmp(w->known.data, chain->data, chain->size) == 0)
		return 0;
	if (count == 0 || gnutls_certificate_verify_peers3(tls, NULL, &status) < 0 || status)
		return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
	free(w->known.data);
	w->known = (gnutls_datum_t){ malloc(chain->size), chain->size };
	if (w->known.data == NULL)
		abort();
	memcpy(w->known.data, chain->data, chain->size);
	return 0;
}

static void link_shake(struct link *l)
{
	int rc = wire_shake(&l->wire);

	if (rc == -EAGAIN)
		return;
	if (rc == -EPROTO) {
		link_fail(l, wire_words(&l->wire, rc));
		return;
	}
	if (rc < 0) {
		link_lose(l, wire_words(&l->wire, rc));
		return;
	}
	l->worker->resumed += gnutls_session_is_resumed(l->wire.tls) != 0;
	if (set.is_implicit)
		l->state = LINK_GREETING;
	else
		link_send(l, LINK_EHLO, "EHLO load.test\r\n");
}

static void link_secure(struct link *l)
{
	gnutls_session_t tls;

	/* One key share: a server takes the first that it knows, and two cost the generator. */
	if (gnutls_init(&tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_KEY_SHARE_TOP) < 0)
		abort();
	gnutls_priority_set(tls, all.priority);
	gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, all.trust);
	gnutls_session_set_ptr(tls, l->worker);
	if (set.ca_file)
		gnutls_session_set_verify_function(tls, verify_certificate);
	if (l->ticket.data)
		gnutls_session_set_data(tls, l->ticket.data, l->ticket.size);
	wire_secure(&l->wire, tls);
	l->state = LINK_SHAKING;
	link_shake(l);
}

static const struct sockaddr_in *source(struct sockaddr_in *at)
{
	if (set.sources == 0 || set.address.ss_family != AF_INET)
		return NULL;
	*at = (struct sockaddr_in){ .sin_family = AF_INET };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK + all.source_turn++ % set.sources);
	return at;
}

void link_open(struct link *l)
{
	struct sockaddr_in from;
	int fd;

	l->dialled_us = now_us();
	l->line.len = 0;
	l->line.is_whole = false;
	fd = wire_dial(&set.address, source(&from));
	if (fd < 0) {
		link_lose(l, strerror(-fd));
		return;
	}
	wire_init(&l->wire, &l->worker->room, fd);
	if (wire_watch(&l->wire, l->worker->epoll, l) < 0)
		abort();
	l->state = LINK_GREETING;
	if (set.is_implicit) {
		wire_turn(&l->wire, 0);
		link_secure(l);
		link_flush(l);
	}
}

static void send_rcpts(struct link *l)
{
	link_send(l, LINK_RCPT, all.rcpts[l->recipients]);
}

/* The mix is chosen by the number alone: each run sends the same. */
static size_t octets_of(unsigned number)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u;
	double at;
	unsigned i = 0;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
	at = (double)(x >> 11) / (double)(1ull << 53);
	while (i + 1 < set.mix_count && at >= set.mix[i].until)
		i++;
	return set.mix[i].octets;
}

void link_begin(struct link *l)
{
	char *text = l->worker->text;
	int n = snprintf(text, TEXT_OCTETS, "MAIL FROM:<load@example.com> SIZE=%zu\r\n",
			 octets_of(l->number));

	l->recipients = 0;
	wire_put(&l->wire, text, (size_t)n);
	link_send(l, LINK_MAIL, set.is_pipelined ? all.behind_mail : "");
	link_flush(l);
}

void link_noop(struct link *l)
{
	link_send(l, LINK_NOOP, "NOOP\r\n");
	link_flush(l);
}

void link_quit(struct link *l)
{
	link_send(l, LINK_QUIT, "QUIT\r\n");
	link_flush(l);
}

void link_drop(struct link *l)
{
	wire_fini(&l->wire);
	free(l->ticket.data);
}

static void keep_ticket(struct link *l)
{
	gnutls_datum_t ticket;

	/* In TLS 1.3 without a ticket GnuTLS would wait for one. */
	if (gnutls_protocol_get_version(l->wire.tls) >= GNUTLS_TLS1_3 &&
	    !(gnutls_session_get_flags(l->wire.tls) & GNUTLS_SFLAGS_SESSION_TICKET))
		return;
	if (gnutls_session_get_data2(l->wire.tls, &ticket) < 0)
		return;
	gnutls_free(l->ticket.data);
	l->ticket = ticket;
}

static void put_piece(struct link *l, size_t most)
{
	size_t n = l->left < most ? l->left : most;

	wire_put(&l->wire, all.filler + set.octets_most + 3 - l->left, n);
	l->left -= n;
}

static void content_go_on(struct link *l)
{
	while (l->left && !l->wire.held) {
		put_piece(l, PIECE_OCTETS);
		link_flush(l);
	}
}

static void content_begin(struct link *l)
{
	char *text = l->worker->text;
	unsigned id = set.first_id + l->number;
	size_t octets = octets_of(l->number), first;
	int n = snprintf(text, TEXT_OCTETS, "%sMessage-ID: <%u@load.test>\r\nX-Load-Id: %u\r\n\r\n",
			 head, id, id);

	l->state = LINK_CONTENT;
	l->left = octets > (size_t)n ? octets - (size_t)n : 0;
	l->left -= l->left % 72 == 1; /* it would begin within a line end */
	l->left += 3;
	if (l->is_slow) {
		wire_put(&l->wire, text, (size_t)n);
		work_rests(l);
		return;
	}
	first = TEXT_OCTETS - (size_t)n < l->left ? TEXT_OCTETS - (size_t)n : l->left;
	memcpy(text + n, all.filler + set.octets_most + 3 - l->left, first);
	wire_put(&l->wire, text, (size_t)n + first);
	l->left -= first;
	content_go_on(l);
}

void link_tick(struct link *l)
{
	size_t most = set.slow_rate / (1000000 / TICK_US);

	put_piece(l, most ? most : 1);
	link_flush(l);
	if (l->left)
		work_rests(l);
}

static void logged_in(struct link *l)
{
	l->state = LINK_READY;
	figures_add(&l->worker->connect, now_us() - l->dialled_us);
	work_open(l);
}

static void next_rcpt(struct link *l)
{
	if (++l->recipients < set.recipients) {
		if (!set.is_pipelined)
			send_rcpts(l);
	} else if (set.is_pipelined) {
		l->state = LINK_DATA;
	} else {
		link_send(l, LINK_DATA, "DATA\r\n");
	}
}

static void message_taken(struct link *l)
{
	if (l->left) {
		link_fail(l, "answered before its end");
		return;
	}
	l->state = LINK_READY;
	work_sent(l);
	if (set.is_one_each)
		link_quit(l);
	else
		work_ready(l);
}

static void hang_up(struct link *l)
{
	if (l->wire.tls) {
		if (set.resumes)
			keep_ticket(l);
		gnutls_bye(l->wire.tls, GNUTLS_SHUT_WR);
		link_flush(l);
	}
	link_end(l, ENDED_IN_ORDER);
}

static void refused_at_greeting(struct link *l)
{
	figures_add(&l->worker->refuse, now_us() - l->dialled_us);
	link_lose(l, l->line.text);
}

/* One whole reply that was hoped for. */
static void go_on(struct link *l)
{
	switch (l->state) {
	case LINK_GREETING:
		link_send(l, LINK_EHLO, "EHLO load.test\r\n");
		break;
	case LINK_EHLO:
		if (l->wire.tls)
			link_send(l, LINK_AUTH, all.logins[all.user_turn++ % set.users]);
		else
			link_send(l, LINK_STARTTLS, "STARTTLS\r\n");
		break;
	case LINK_STARTTLS:
		link_secure(l);
		break;
	case LINK_AUTH:
		logged_in(l);
		break;
	case LINK_MAIL:
		if (set.is_pipelined)
			l->state = LINK_RCPT;
		else
			send_rcpts(l);
		break;
	case LINK_RCPT:
		next_rcpt(l);
		break;
	case LINK_DATA:
		content_begin(l);
		break;
	case LINK_CONTENT:
		message_taken(l);
		break;
	case LINK_NOOP:
		l->state = LINK_READY;
		work_sent(l);
		work_ready(l);
		break;
	case LINK_QUIT:
		hang_up(l);
		break;
	default:
		link_fail(l, "a reply that was not asked for");
	}
}

static void reply_line(struct link *l)
{
	const char *text = l->line.text;

	if (l->line.len > 3 && text[3] == '-')
		return;
	if (strncmp(text, states[l->state].code, 3) == 0)
		go_on(l);
	else if (l->state == LINK_GREETING && strncmp(text, "421", 3) == 0)
		refused_at_greeting(l);
	else if (text[0] == '4')
		link_lose(l, text);
	else
		link_fail(l, text);
}

static bool is_talking(const struct link *l)
{
	return l->state != LINK_CLOSED && l->state != LINK_SHAKING;
}

static void link_read(struct link *l)
{
	char *part = l->worker->part;
	ssize_t n = 0;

	while (is_talking(l) && (n = wire_get(&l->wire, part, sizeof(l->worker->part))) > 0) {
		for (size_t at = 0; at < (size_t)n && is_talking(l);) {
			at += line_take(&l->line, part + at, (size_t)n - at);
			if (l->line.is_whole)
				reply_line(l);
		}
	}
	if (is_talking(l) && n != -EAGAIN)
		link_lose(l, wire_words(&l->wire, n));
}

void link_event(struct link *l, uint32_t events)
{
	wire_turn(&l->wire, events);
	if (l->wire.held && (events & EPOLLOUT) && wire_flush(&l->wire) == 0 &&
	    l->state == LINK_CONTENT && !l->is_slow)
		content_go_on(l);
	if (l->state == LINK_SHAKING)
		link_shake(l);
	link_read(l);
	link_flush(l);
}
