#include "floor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void hop_forget(struct client *c)
{
	if (c->is_waiting)
		TAILQ_REMOVE(&c->party.thread->waiting, c, entry);
	c->is_waiting = false;
}

/* Who waits longest, and waits no more; or NULL. */
static struct client *next_waiting(struct thread *t)
{
	struct client *c = TAILQ_FIRST(&t->waiting);

	if (c)
		hop_forget(c);
	return c;
}

void hop_close(struct hop *h)
{
	struct thread *t = h->party.thread;
	struct client *next = next_waiting(t);

	if (h->client == NULL)
		LIST_REMOVE(h, entry);
	wire_fini(&h->party.wire);
	free(h);
	t->hops--;
	if (next)
		hop_take(next);
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

static void hop_give(struct hop *h, struct client *c)
{
	h->client = c;
	c->hop = h;
	hop_begin(h);
}

static void hop_done(struct hop *h)
{
	struct client *c = h->client, *next = next_waiting(h->party.thread);

	h->state = HOP_READY;
	h->client = NULL;
	c->hop = NULL;
	if (next)
		hop_give(h, next);
	else
		LIST_INSERT_HEAD(&h->party.thread->idle, h, entry);
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

static void hop_dial(struct client *c)
{
	struct thread *t = c->party.thread;
	struct hop *h;
	int fd = wire_dial(&set.smarthost, NULL);

	if (fd < 0)
		die("smarthost", strerror(-fd));
	c->hop = h = need(calloc(1, sizeof(*h)));
	h->client = c;
	h->party.event = hop_event;
	h->party.thread = t;
	t->hops++;
	wire_init(&h->party.wire, &t->room, fd);
	if (wire_watch(&h->party.wire, t->epoll, h) < 0)
		die("epoll", strerror(errno));
}

void hop_take(struct client *c)
{
	struct thread *t = c->party.thread;
	struct hop *h = LIST_FIRST(&t->idle);

	if (h) {
		LIST_REMOVE(h, entry);
		hop_give(h, c);
	} else if (t->hops_most && t->hops >= t->hops_most) {
		TAILQ_INSERT_TAIL(&t->waiting, c, entry);
		c->is_waiting = true;
	} else {
		hop_dial(c);
	}
}
