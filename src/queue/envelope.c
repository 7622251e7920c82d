/* queue/envelope.c: the envelope's record. */
#include "queue/envelope.h"

#include "wire.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

enum { ENVELOPE_VERSION = 3 };
enum { FLAG_UTF8 = 1, FLAG_REQUIRE_TLS = 2 };
enum {
	NOTIFY_FLAGS =
		SMTP_NOTIFY_NEVER | SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY
};

void envelope_fini(struct envelope *e)
{
	for (size_t i = 0; i < e->recipient_count; i++) {
		free(e->recipients[i].address);
		free(e->recipients[i].orcpt);
	}
	free(e->recipients);
	free(e->account);
	free(e->sender);
	free(e->envid);
	*e = (struct envelope){ 0 };
}

static struct envelope_recipient *new_recipient(struct envelope *e)
{
	size_t n = e->recipient_count++;

	/* Grows when the number is a power of two. */
	if ((n & (n - 1)) == 0)
		e->recipients = mem_resize(e->recipients,
					   (n ? n * 2 : 1) * sizeof(struct envelope_recipient));
	return &e->recipients[n];
}

void envelope_add_recipient(struct envelope *e, struct span mailbox,
			    const struct smtp_rcpt_params *params)
{
	struct envelope_recipient *r = new_recipient(e);

	r->address = mem_text_n(mailbox.at, mailbox.len);
	r->orcpt = params ? mem_text_n(params->orcpt.at, params->orcpt.len) : mem_text("");
	r->notify = params ? (uint8_t)(params->notify & NOTIFY_FLAGS) : 0;
}

void envelope_encode(const struct envelope *e, struct buf *out)
{
	require(e->recipient_count <= UINT32_MAX);
	require(e->release_ms >= 0 && e->release_ms <= ENVELOPE_RELEASE_MOST_MS);
	wire_put_number(out, ENVELOPE_VERSION, 1);
	wire_put_number(out, e->qid, 8);
	wire_put_number(out, e->sid, 8);
	wire_put_number(out, (uint64_t)e->arrived_ms, 8);
	wire_put_number(out, e->size, 8);
	wire_put_number(out, e->header_octets, 8);
	wire_put_number(out, e->form & ENVELOPE_FORMS, 1);
	wire_put_number(out,
			(e->is_utf8 ? FLAG_UTF8 : 0u) | (e->require_tls ? FLAG_REQUIRE_TLS : 0u),
			1);
	wire_put_number(out, (uint64_t)e->release_ms, 8);
	wire_put_number(out, e->ret, 1);
	wire_put_text(out, e->account);
	wire_put_text(out, e->sender);
	wire_put_text(out, e->envid);
	wire_put_number(out, e->recipient_count, 4);
	for (size_t i = 0; i < e->recipient_count; i++) {
		wire_put_text(out, e->recipients[i].address);
		wire_put_number(out, e->recipients[i].notify, 1);
		wire_put_text(out, e->recipients[i].orcpt);
	}
}

static void take_recipient(struct wire *w, struct envelope *e)
{
	struct envelope_recipient *r = new_recipient(e);
	uint64_t notify = 0;

	r->address = wire_take_text(w);
	if (w->version >= 2) {
		notify = wire_take_number(w, 1);
		r->orcpt = wire_take_text(w);
	} else {
		r->orcpt = mem_text("");
	}
	if (notify > NOTIFY_FLAGS)
		w->is_bad = true;
	r->notify = (uint8_t)notify;
}

static void take_ret(struct wire *w, struct envelope *e)
{
	uint64_t ret = w->version >= 2 ? wire_take_number(w, 1) : SMTP_RET_NONE;

	if (ret > SMTP_RET_HDRS)
		w->is_bad = true;
	e->ret = (enum smtp_ret)ret;
}

/* Of what later versions have, the first two knew only whether there are octets above 127. */
static void take_form(struct wire *w, struct envelope *e)
{
	uint64_t form = wire_take_number(w, 1);
	uint64_t flags = w->version >= 3 ? wire_take_number(w, 1) : 0;
	uint64_t release_ms = w->version >= 3 ? wire_take_number(w, 8) : 0;

	if (w->version < 3)
		form &= SMTP_FORM_8BIT;
	if (form & ~(uint64_t)ENVELOPE_FORMS || flags & ~(uint64_t)(FLAG_UTF8 | FLAG_REQUIRE_TLS) ||
	    release_ms > (uint64_t)ENVELOPE_RELEASE_MOST_MS)
		w->is_bad = true;
	e->form = (unsigned)form;
	e->is_utf8 = flags & FLAG_UTF8;
	e->require_tls = flags & FLAG_REQUIRE_TLS;
	e->release_ms = (int64_t)release_ms;
}

static void take_envelope(struct wire *w, struct envelope *e)
{
	size_t count;

	e->qid = wire_take_number(w, 8);
	e->sid = wire_take_number(w, 8);
	e->arrived_ms = (int64_t)wire_take_number(w, 8);
	e->size = wire_take_number(w, 8);
	e->header_octets = wire_take_number(w, 8);
	take_form(w, e);
	take_ret(w, e);
	e->account = wire_take_text(w);
	e->sender = wire_take_text(w);
	e->envid = w->version >= 2 ? wire_take_text(w) : mem_text("");
	count = wire_take_count(w, w->version >= 2 ? 2 * WIRE_TEXT_LEAST + 1 : WIRE_TEXT_LEAST);
	for (size_t i = 0; i < count && !w->is_bad; i++)
		take_recipient(w, e);
}

int envelope_decode(struct span in, struct envelope *out)
{
	struct envelope e = { 0 };
	struct wire w;
	int status = wire_begin(&w, in, ENVELOPE_VERSION);

	if (status)
		return status;
	take_envelope(&w, &e);
	if (!wire_is_whole(&w)) {
		envelope_fini(&e);
		return -EINVAL;
	}
	*out = e;
	return 0;
}
