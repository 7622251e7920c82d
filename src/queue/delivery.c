/* queue/delivery.c: what has become of a message, and its record. */
#include "queue/envelope.h"

#include "wire.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

enum { NOTE_VERSION = 2 };
enum { FLAG_HELD = 1, FLAG_WARNED = 2 };
enum { FLAG_TEXT = 1, FLAG_SMARTHOST = 2, FLAG_OWED = 4 };
enum { STATUS_OCTETS_LEAST = 17, TRY_OCTETS_LEAST = 40 };
enum { TRIES_FIRST = 4 };

void delivery_init(struct delivery *d, size_t recipient_count)
{
	*d = (struct delivery){ 0 };
	d->recipients = mem_array(recipient_count, sizeof(struct recipient_status));
	d->recipient_count = recipient_count;
}

static void fini_try(struct delivery_try *t)
{
	free(t->text);
	free(t->smarthost);
}

void delivery_fini(struct delivery *d)
{
	for (size_t i = 0; i < d->recipient_count; i++) {
		free(d->recipients[i].text);
		free(d->recipients[i].smarthost);
	}
	for (size_t i = 0; i < d->try_count; i++)
		fini_try(&d->tries[i]);
	free(d->recipients);
	free(d->tries);
	*d = (struct delivery){ 0 };
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct delivery_try *t, const struct recipient_status *s)
{
	return t->code == s->code && t->status.class == s->status.class &&
	       t->status.subject == s->status.subject && t->status.detail == s->status.detail &&
	       is_same_text(t->text, s->text) && is_same_text(t->smarthost, s->smarthost);
}

/* The time of the attempt before the one at now_ms. Not the greatest: a wall clock may go back. */
static int64_t attempt_before(const struct delivery *d, int64_t now_ms)
{
	for (size_t i = d->try_count; i-- > 0;)
		if (d->tries[i].last_ms != now_ms)
			return d->tries[i].last_ms;
	return now_ms;
}

/* What this attempt or the one before it heard already: the recipients of one message may be told
 * different things in turn, over and over. */
static struct delivery_try *same_try(struct delivery *d, int64_t now_ms,
				     const struct recipient_status *heard)
{
	int64_t before = attempt_before(d, now_ms);

	for (size_t i = d->try_count; i-- > 0;) {
		struct delivery_try *t = &d->tries[i];

		if ((t->last_ms == now_ms || t->last_ms == before) && is_same(t, heard))
			return t;
	}
	return NULL;
}

static void join_try(struct delivery_try *t, int64_t now_ms)
{
	if (t->last_ms == now_ms) {
		t->recipients++;
		return;
	}
	t->last_ms = now_ms;
	t->times++;
	t->recipients = 1;
}

static void make_room(struct delivery *d)
{
	size_t behind = d->try_count - TRIES_FIRST - 1;

	fini_try(&d->tries[TRIES_FIRST]);
	memmove(&d->tries[TRIES_FIRST], &d->tries[TRIES_FIRST + 1],
		behind * sizeof(struct delivery_try));
	d->try_count--;
}

void delivery_add_try(struct delivery *d, int64_t now_ms, const struct recipient_status *heard)
{
	struct delivery_try *t = same_try(d, now_ms, heard);

	if (t) {
		join_try(t, now_ms);
		return;
	}
	if (d->try_count == DELIVERY_TRIES_MOST)
		make_room(d);
	d->tries = mem_resize(d->tries, (d->try_count + 1) * sizeof(struct delivery_try));
	d->tries[d->try_count++] = (struct delivery_try){
		.first_ms = now_ms,
		.last_ms = now_ms,
		.times = 1,
		.recipients = 1,
		.code = heard->code,
		.status = heard->status,
		.text = heard->text ? mem_text(heard->text) : NULL,
		.smarthost = heard->smarthost ? mem_text(heard->smarthost) : NULL,
	};
}

static void put_reply(struct buf *out, int code, struct smtp_status status, const char *text,
		      const char *smarthost, unsigned flags)
{
	wire_put_number(out, (uint64_t)code, 2);
	wire_put_number(out, status.class, 1);
	wire_put_number(out, status.subject, 2);
	wire_put_number(out, status.detail, 2);
	flags |= (text ? FLAG_TEXT : 0u) | (smarthost ? FLAG_SMARTHOST : 0u);
	wire_put_number(out, flags, 1);
	wire_put_text(out, text);
	wire_put_text(out, smarthost);
}

static void put_status(struct buf *out, const struct recipient_status *s)
{
	wire_put_number(out, s->state, 1);
	put_reply(out, s->code, s->status, s->text, s->smarthost, s->is_owed ? FLAG_OWED : 0);
}

static void put_try(struct buf *out, const struct delivery_try *t)
{
	wire_put_number(out, (uint64_t)t->first_ms, 8);
	wire_put_number(out, (uint64_t)t->last_ms, 8);
	wire_put_number(out, t->times, 4);
	wire_put_number(out, t->recipients, 4);
	put_reply(out, t->code, t->status, t->text, t->smarthost, 0);
}

void delivery_encode(const struct delivery *d, struct buf *out)
{
	require(d->recipient_count <= UINT32_MAX && d->try_count <= DELIVERY_TRIES_MOST);
	wire_put_number(out, NOTE_VERSION, 1);
	wire_put_number(out, (d->is_held ? FLAG_HELD : 0u) | (d->is_warned ? FLAG_WARNED : 0u), 1);
	wire_put_number(out, d->attempts, 4);
	wire_put_number(out, (uint64_t)d->last_ms, 8);
	wire_put_number(out, (uint64_t)d->next_ms, 8);
	wire_put_number(out, d->recipient_count, 4);
	for (size_t i = 0; i < d->recipient_count; i++)
		put_status(out, &d->recipients[i]);
	wire_put_number(out, d->try_count, 4);
	for (size_t i = 0; i < d->try_count; i++)
		put_try(out, &d->tries[i]);
}

static char *take_text_if(struct wire *w, bool is_there)
{
	char *text = wire_take_text(w);

	if (is_there)
		return text;
	free(text);
	return NULL;
}

/* Its flags. */
static uint64_t take_reply(struct wire *w, int *code, struct smtp_status *status, char **text,
			   char **smarthost)
{
	uint64_t flags;

	*code = (int)wire_take_number(w, 2);
	status->class = (uint8_t)wire_take_number(w, 1);
	status->subject = (uint16_t)wire_take_number(w, 2);
	status->detail = (uint16_t)wire_take_number(w, 2);
	flags = wire_take_number(w, 1);
	*text = take_text_if(w, flags & FLAG_TEXT);
	*smarthost = take_text_if(w, flags & FLAG_SMARTHOST);
	return flags;
}

static void take_status(struct wire *w, struct recipient_status *s)
{
	uint64_t state = wire_take_number(w, 1);
	uint64_t flags = take_reply(w, &s->code, &s->status, &s->text, &s->smarthost);

	s->state = (enum recipient_state)state;
	s->is_owed = flags & FLAG_OWED;
	if (state > RECIPIENT_FAILED || (s->is_owed && s->state == RECIPIENT_WAITING))
		w->is_bad = true;
}

static void take_try(struct wire *w, struct delivery_try *t)
{
	t->first_ms = (int64_t)wire_take_number(w, 8);
	t->last_ms = (int64_t)wire_take_number(w, 8);
	t->times = (unsigned)wire_take_number(w, 4);
	t->recipients = (unsigned)wire_take_number(w, 4);
	take_reply(w, &t->code, &t->status, &t->text, &t->smarthost);
}

static void take_tries(struct wire *w, struct delivery *d)
{
	size_t count = wire_take_count(w, TRY_OCTETS_LEAST);

	if (count > DELIVERY_TRIES_MOST)
		w->is_bad = true;
	if (w->is_bad || count == 0)
		return;
	d->tries = mem_array(count, sizeof(struct delivery_try));
	d->try_count = count;
	for (size_t i = 0; i < count && !w->is_bad; i++)
		take_try(w, &d->tries[i]);
}

static void take_delivery(struct wire *w, struct delivery *d)
{
	uint64_t flags = w->version >= 2 ? wire_take_number(w, 1) : 0;
	unsigned attempts = (unsigned)wire_take_number(w, 4);
	int64_t last_ms = (int64_t)wire_take_number(w, 8);
	int64_t next_ms = (int64_t)wire_take_number(w, 8);

	delivery_init(d, wire_take_count(w, STATUS_OCTETS_LEAST));
	d->attempts = attempts;
	d->last_ms = last_ms;
	d->next_ms = next_ms;
	d->is_held = flags & FLAG_HELD;
	d->is_warned = flags & FLAG_WARNED;
	for (size_t i = 0; i < d->recipient_count && !w->is_bad; i++)
		take_status(w, &d->recipients[i]);
	if (w->version >= 2)
		take_tries(w, d);
}

int delivery_decode(struct span in, struct delivery *out)
{
	struct delivery d = { 0 };
	struct wire w;
	int status = wire_begin(&w, in, NOTE_VERSION);

	if (status)
		return status;
	take_delivery(&w, &d);
	if (!wire_is_whole(&w)) {
		delivery_fini(&d);
		return -EINVAL;
	}
	*out = d;
	return 0;
}
