#include "queue/envelope.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

enum { VERSION = 1 };
enum { FLAG_8BIT = 1 };
enum { FLAG_TEXT = 1, FLAG_SMARTHOST = 2 };
enum { TEXT_OCTETS_LEAST = 4, STATUS_OCTETS_LEAST = 17 };

void envelope_fini(struct envelope *e)
{
	for (size_t i = 0; i < e->recipient_count; i++)
		free(e->recipients[i]);
	free(e->recipients);
	free(e->account);
	free(e->sender);
	*e = (struct envelope){ 0 };
}

void envelope_add_recipient(struct envelope *e, struct span mailbox)
{
	size_t n = e->recipient_count;

	/* Grows when the number is a power of two. */
	if ((n & (n - 1)) == 0)
		e->recipients = mem_resize(e->recipients, (n ? n * 2 : 1) * sizeof(char *));
	e->recipients[e->recipient_count++] = mem_text_n(mailbox.at, mailbox.len);
}

static void put_number(struct buf *out, uint64_t value, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		buf_put_char(out, (char)(unsigned char)(value >> (8 * i)));
}

static void put_text(struct buf *out, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	require(n <= UINT32_MAX);
	put_number(out, n, 4);
	buf_put(out, text, n);
}

/* What is left of a record; is_bad once something did not fit. */
struct reader {
	struct span left;
	bool is_bad;
};

static uint64_t take_number(struct reader *r, unsigned octets)
{
	uint64_t value = 0;

	if (r->left.len < octets) {
		r->is_bad = true;
		return 0;
	}
	for (unsigned i = 0; i < octets; i++)
		value |= (uint64_t)r->left.at[i] << (8 * i);
	r->left = span_from(r->left, octets);
	return value;
}

static char *take_text(struct reader *r)
{
	uint64_t n = take_number(r, 4);
	struct span text;

	if (r->is_bad || n > r->left.len) {
		r->is_bad = true;
		return NULL;
	}
	text = span_first(r->left, (size_t)n);
	if (span_find(text, 0) != text.len) {
		r->is_bad = true;
		return NULL;
	}
	r->left = span_from(r->left, text.len);
	return mem_text_n(text.at, text.len);
}

static char *take_text_if(struct reader *r, bool is_there)
{
	char *text = take_text(r);

	if (is_there)
		return text;
	free(text);
	return NULL;
}

/* How many follow, each of at least `least` octets: a count that cannot be true is refused before
 * anything is allocated for it. */
static size_t take_count(struct reader *r, size_t least)
{
	uint64_t n = take_number(r, 4);

	if (n > r->left.len / least) {
		r->is_bad = true;
		return 0;
	}
	return (size_t)n;
}

static int check_version(struct reader *r)
{
	uint64_t version = take_number(r, 1);

	if (r->is_bad || version == 0)
		return -EINVAL;
	return version == VERSION ? 0 : -ENOTSUP;
}

static bool is_whole(const struct reader *r)
{
	return !r->is_bad && r->left.len == 0;
}

void envelope_encode(const struct envelope *e, struct buf *out)
{
	require(e->recipient_count <= UINT32_MAX);
	put_number(out, VERSION, 1);
	put_number(out, e->qid, 8);
	put_number(out, e->sid, 8);
	put_number(out, (uint64_t)e->arrived_ms, 8);
	put_number(out, e->size, 8);
	put_number(out, e->header_octets, 8);
	put_number(out, e->has_8bit ? FLAG_8BIT : 0, 1);
	put_text(out, e->account);
	put_text(out, e->sender);
	put_number(out, e->recipient_count, 4);
	for (size_t i = 0; i < e->recipient_count; i++)
		put_text(out, e->recipients[i]);
}

static void take_recipients(struct reader *r, struct envelope *e)
{
	size_t count = take_count(r, TEXT_OCTETS_LEAST);

	for (size_t i = 0; i < count && !r->is_bad; i++) {
		char *text = take_text(r);

		if (text)
			envelope_add_recipient(e, span_text(text));
		free(text);
	}
}

int envelope_decode(struct span in, struct envelope *out)
{
	struct reader r = { in, false };
	struct envelope e = { 0 };
	int status = check_version(&r);

	if (status)
		return status;
	e.qid = take_number(&r, 8);
	e.sid = take_number(&r, 8);
	e.arrived_ms = (int64_t)take_number(&r, 8);
	e.size = take_number(&r, 8);
	e.header_octets = take_number(&r, 8);
	e.has_8bit = take_number(&r, 1) & FLAG_8BIT;
	e.account = take_text(&r);
	e.sender = take_text(&r);
	take_recipients(&r, &e);
	if (!is_whole(&r)) {
		envelope_fini(&e);
		return -EINVAL;
	}
	*out = e;
	return 0;
}

void delivery_init(struct delivery *d, size_t recipient_count)
{
	*d = (struct delivery){ 0 };
	d->recipients = mem_array(recipient_count, sizeof(struct recipient_status));
	d->recipient_count = recipient_count;
}

void delivery_fini(struct delivery *d)
{
	for (size_t i = 0; i < d->recipient_count; i++) {
		free(d->recipients[i].text);
		free(d->recipients[i].smarthost);
	}
	free(d->recipients);
	*d = (struct delivery){ 0 };
}

static void put_status(struct buf *out, const struct recipient_status *s)
{
	put_number(out, s->state, 1);
	put_number(out, (uint64_t)s->code, 2);
	put_number(out, s->status.class, 1);
	put_number(out, s->status.subject, 2);
	put_number(out, s->status.detail, 2);
	put_number(out, (s->text ? FLAG_TEXT : 0u) | (s->smarthost ? FLAG_SMARTHOST : 0u), 1);
	put_text(out, s->text);
	put_text(out, s->smarthost);
}

void delivery_encode(const struct delivery *d, struct buf *out)
{
	put_number(out, VERSION, 1);
	put_number(out, d->attempts, 4);
	put_number(out, (uint64_t)d->last_ms, 8);
	put_number(out, (uint64_t)d->next_ms, 8);
	put_number(out, d->recipient_count, 4);
	for (size_t i = 0; i < d->recipient_count; i++)
		put_status(out, &d->recipients[i]);
}

static void take_status(struct reader *r, struct recipient_status *s)
{
	uint64_t state = take_number(r, 1);
	unsigned flags;

	if (state > RECIPIENT_FAILED)
		r->is_bad = true;
	s->state = (enum recipient_state)state;
	s->code = (int)take_number(r, 2);
	s->status.class = (uint8_t)take_number(r, 1);
	s->status.subject = (uint16_t)take_number(r, 2);
	s->status.detail = (uint16_t)take_number(r, 2);
	flags = (unsigned)take_number(r, 1);
	s->text = take_text_if(r, flags & FLAG_TEXT);
	s->smarthost = take_text_if(r, flags & FLAG_SMARTHOST);
}

int delivery_decode(struct span in, struct delivery *out)
{
	struct reader r = { in, false };
	struct delivery d;
	unsigned attempts;
	int64_t last_ms, next_ms;
	int status = check_version(&r);

	if (status)
		return status;
	attempts = (unsigned)take_number(&r, 4);
	last_ms = (int64_t)take_number(&r, 8);
	next_ms = (int64_t)take_number(&r, 8);
	delivery_init(&d, take_count(&r, STATUS_OCTETS_LEAST));
	d.attempts = attempts;
	d.last_ms = last_ms;
	d.next_ms = next_ms;
	for (size_t i = 0; i < d.recipient_count && !r.is_bad; i++)
		take_status(&r, &d.recipients[i]);
	if (!is_whole(&r)) {
		delivery_fini(&d);
		return -EINVAL;
	}
	*out = d;
	return 0;
}
