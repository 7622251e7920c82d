#include "pack.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>
#include <string.h>

/* Envelopes: one octet that is 1 where a release date follows in eight, sender, envid, and for each
 * recipient notify in one octet, address, orcpt; texts end in NUL. */

static size_t text_octets(const char *text)
{
	return (text ? strlen(text) : 0) + 1;
}

static size_t release_octets(int64_t release_ms)
{
	return release_ms ? 1 + sizeof(release_ms) : 1;
}

size_t envelope_strings_octets(const struct envelope *e)
{
	size_t n = release_octets(e->release_ms) + text_octets(e->sender) + text_octets(e->envid);

	for (size_t i = 0; i < e->recipient_count; i++)
		n += 1 + text_octets(e->recipients[i].address) +
		     text_octets(e->recipients[i].orcpt);
	return n;
}

static char *put_text(char *at, const char *text)
{
	size_t n = text_octets(text);

	memcpy(at, text ? text : "", n);
	return at + n;
}

void envelope_strings_put(const struct envelope *e, char *at)
{
	*at = e->release_ms != 0;
	if (e->release_ms)
		memcpy(at + 1, &e->release_ms, sizeof(e->release_ms));
	at = put_text(at + release_octets(e->release_ms), e->sender);
	at = put_text(at, e->envid);
	for (size_t i = 0; i < e->recipient_count; i++) {
		*at++ = (char)e->recipients[i].notify;
		at = put_text(at, e->recipients[i].address);
		at = put_text(at, e->recipients[i].orcpt);
	}
}

static char *take_text(char **at)
{
	char *text = *at;

	*at += strlen(text) + 1;
	return text;
}

int64_t envelope_strings_release(const char *at)
{
	int64_t release_ms = 0;

	if (*at)
		memcpy(&release_ms, at + 1, sizeof(release_ms));
	return release_ms;
}

void envelope_strings_view(char *at, struct envelope_recipient *recipients, struct envelope *out)
{
	out->release_ms = envelope_strings_release(at);
	at += release_octets(out->release_ms);
	out->sender = take_text(&at);
	out->envid = take_text(&at);
	out->recipients = recipients;
	for (size_t i = 0; i < out->recipient_count; i++) {
		recipients[i].notify = (uint8_t)*at++;
		recipients[i].address = take_text(&at);
		recipients[i].orcpt = take_text(&at);
	}
}

/* Deliveries: the block ends in the tries and then the texts, which are named by their distance
 * from the block's start; 0 is none. */

struct packed_reply {
	uint16_t code, subject, detail;
	uint8_t class;
	uint8_t state : 2, is_owed : 1;
	uint32_t text, smarthost;
};

struct packed_try {
	int64_t first_ms, last_ms;
	uint32_t times, recipients;
	struct packed_reply reply;
};

struct delivery_pack {
	int64_t last_ms, next_ms;
	uint32_t attempts, try_count;
	struct packed_reply recipients[];
};

void pack_scratch_fini(struct pack_scratch *scratch)
{
	free(scratch->addresses);
	free(scratch->recipients);
	free(scratch->tries);
	*scratch = (struct pack_scratch){ 0 };
}

static bool says_something(const struct delivery *d)
{
	if (d->attempts || d->last_ms || d->next_ms || d->try_count)
		return true;
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct recipient_status *s = &d->recipients[i];

		if (s->state != RECIPIENT_WAITING || s->code || s->status.class || s->text ||
		    s->smarthost)
			return true;
	}
	return false;
}

/* Texts behind each other, and where the last few stand: what one attempt heard is mostly the same
 * for all recipients, and is a try too. */
enum { KNOWN_MOST = 8 };

struct texts {
	size_t base;
	struct buf octets;
	uint32_t known[KNOWN_MOST];
	unsigned known_count;
};

static uint32_t add_text(struct texts *t, const char *text)
{
	uint32_t place;

	if (text == NULL)
		return 0;
	for (unsigned i = 0; i < KNOWN_MOST && i < t->known_count; i++) {
		const char *other = (const char *)buf_span(&t->octets).at + (t->known[i] - t->base);

		if (strcmp(other, text) == 0)
			return t->known[i];
	}
	require(t->base + t->octets.len <= UINT32_MAX);
	place = (uint32_t)(t->base + t->octets.len);
	buf_put(&t->octets, text, strlen(text) + 1);
	t->known[t->known_count++ % KNOWN_MOST] = place;
	return place;
}

static struct packed_try *tries_of(struct delivery_pack *pack, size_t recipient_count)
{
	return (struct packed_try *)(void *)&pack->recipients[recipient_count];
}

static size_t fixed_octets(size_t recipient_count, size_t try_count)
{
	return sizeof(struct delivery_pack) + recipient_count * sizeof(struct packed_reply) +
	       try_count * sizeof(struct packed_try);
}

static void put_recipients(struct delivery_pack *pack, const struct delivery *d, struct texts *t)
{
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct recipient_status *s = &d->recipients[i];

		pack->recipients[i] = (struct packed_reply){
			.code = (uint16_t)s->code,
			.subject = s->status.subject,
			.detail = s->status.detail,
			.class = s->status.class,
			.state = (uint8_t)s->state & 3,
			.is_owed = s->is_owed,
			.text = add_text(t, s->text),
			.smarthost = add_text(t, s->smarthost),
		};
	}
}

static void put_tries(struct delivery_pack *pack, const struct delivery *d, struct texts *t)
{
	struct packed_try *out = tries_of(pack, d->recipient_count);

	for (size_t i = 0; i < d->try_count; i++) {
		const struct delivery_try *from = &d->tries[i];

		out[i] = (struct packed_try){
			.first_ms = from->first_ms,
			.last_ms = from->last_ms,
			.times = from->times,
			.recipients = from->recipients,
			.reply = { .code = (uint16_t)from->code,
				   .subject = from->status.subject,
				   .detail = from->status.detail,
				   .class = from->status.class,
				   .text = add_text(t, from->text),
				   .smarthost = add_text(t, from->smarthost) },
		};
	}
}

struct delivery_pack *delivery_pack(const struct delivery *d)
{
	struct texts texts = { .base = fixed_octets(d->recipient_count, d->try_count) };
	struct delivery_pack *pack;

	if (!says_something(d))
		return NULL;
	pack = mem_alloc(texts.base);
	pack->attempts = d->attempts;
	pack->try_count = (uint32_t)d->try_count;
	pack->last_ms = d->last_ms;
	pack->next_ms = d->next_ms;
	put_recipients(pack, d, &texts);
	put_tries(pack, d, &texts);
	pack = mem_resize(pack, texts.base + texts.octets.len);
	if (texts.octets.len)
		memcpy((char *)pack + texts.base, buf_span(&texts.octets).at, texts.octets.len);
	buf_fini(&texts.octets);
	return pack;
}

static char *text_at(struct delivery_pack *pack, uint32_t place)
{
	return place ? (char *)pack + place : NULL;
}

static void view_recipients(struct delivery_pack *pack, struct delivery *out)
{
	for (size_t i = 0; i < out->recipient_count; i++) {
		const struct packed_reply *p = &pack->recipients[i];

		out->recipients[i] = (struct recipient_status){
			.state = (enum recipient_state)p->state,
			.is_owed = p->is_owed,
			.code = p->code,
			.status = { p->class, p->subject, p->detail },
			.text = text_at(pack, p->text),
			.smarthost = text_at(pack, p->smarthost),
		};
	}
}

static void view_tries(struct delivery_pack *pack, struct delivery *out)
{
	const struct packed_try *tries = tries_of(pack, out->recipient_count);

	for (size_t i = 0; i < out->try_count; i++) {
		const struct packed_try *p = &tries[i];

		out->tries[i] = (struct delivery_try){
			.first_ms = p->first_ms,
			.last_ms = p->last_ms,
			.times = p->times,
			.recipients = p->recipients,
			.code = p->reply.code,
			.status = { p->reply.class, p->reply.subject, p->reply.detail },
			.text = text_at(pack, p->reply.text),
			.smarthost = text_at(pack, p->reply.smarthost),
		};
	}
}

static void make_room(struct pack_scratch *scratch, size_t recipient_count)
{
	if (scratch->tries == NULL)
		scratch->tries = mem_array(DELIVERY_TRIES_MOST, sizeof(struct delivery_try));
	if (scratch->recipient_cap >= recipient_count && scratch->recipients)
		return;
	scratch->recipient_cap = recipient_count;
	scratch->recipients =
		mem_resize(scratch->recipients, recipient_count * sizeof(struct recipient_status));
}

struct delivery delivery_pack_view(struct delivery_pack *pack, size_t recipient_count,
				   struct pack_scratch *scratch)
{
	struct delivery out = { .recipient_count = recipient_count };

	make_room(scratch, recipient_count);
	out.recipients = scratch->recipients;
	out.tries = scratch->tries;
	if (pack == NULL) {
		memset(out.recipients, 0, recipient_count * sizeof(struct recipient_status));
		return out;
	}
	out.attempts = pack->attempts;
	out.last_ms = pack->last_ms;
	out.next_ms = pack->next_ms;
	out.try_count = pack->try_count;
	view_recipients(pack, &out);
	view_tries(pack, &out);
	return out;
}

static char *copy_text(const char *text)
{
	return text ? mem_text(text) : NULL;
}

struct delivery delivery_unpack(struct delivery_pack *pack, size_t recipient_count,
				struct pack_scratch *scratch)
{
	struct delivery view = delivery_pack_view(pack, recipient_count, scratch);
	struct delivery out = view;

	out.recipients = mem_array(recipient_count, sizeof(struct recipient_status));
	out.tries = view.try_count ? mem_array(view.try_count, sizeof(struct delivery_try)) : NULL;
	for (size_t i = 0; i < recipient_count; i++) {
		out.recipients[i] = view.recipients[i];
		out.recipients[i].text = copy_text(view.recipients[i].text);
		out.recipients[i].smarthost = copy_text(view.recipients[i].smarthost);
	}
	for (size_t i = 0; i < view.try_count; i++) {
		out.tries[i] = view.tries[i];
		out.tries[i].text = copy_text(view.tries[i].text);
		out.tries[i].smarthost = copy_text(view.tries[i].smarthost);
	}
	return out;
}

void delivery_pack_restart(struct delivery_pack *pack)
{
	pack->attempts = 0;
	pack->next_ms = 0;
}

void delivery_pack_set_due(struct delivery_pack *pack)
{
	pack->next_ms = 0;
}
