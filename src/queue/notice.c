/* queue/notice.c: a notice on its way: the original's content out of memory or the spool, the notice
 * into an intake.
 *
 * The header section is read first, at most 64 KiB of it. Where the whole original goes with the
 * notice, it is read once more from its start and streamed, as the intake has room; should it turn out
 * then that it cannot be read, the notice is begun anew without it.
 */
#include "notice.h"

#include "content.h"

#include "base/id.h"
#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

/* More of the original's header section is not sent back. */
enum { HEADER_MOST = 64 * 1024 };

struct notice {
	struct queued *queued;
	void (*done)(struct queued *q, int status, const struct fault *fault, uint64_t notice);
	struct mail_dsn dsn;
	struct mail_dsn_recipient *recipients;
	char **hosts; /* as many as recipients */
	char *nobody; /* why nobody was asked */
	char id[ID_TEXT_MAX], notice_id[ID_TEXT_MAX];
	uint64_t notice;
	struct queued_content content;
	struct buf header;
	struct intake *in;
	bool is_streaming; /* the header section is complete, the whole original is being put */
	bool is_complete;  /* but for the end of the notice itself */
	bool has_room;
	uint64_t header_octets; /* of the notice */
};

bool notice_is_wanted(const struct envelope *e, size_t place, enum mail_dsn_action action)
{
	unsigned notify = e->recipients[place].notify;

	if (e->sender[0] == '\0' || (notify & SMTP_NOTIFY_NEVER))
		return false;
	switch (action) {
	case MAIL_DSN_FAILED:
		return notify == 0 || (notify & SMTP_NOTIFY_FAILURE);
	case MAIL_DSN_DELAYED:
		return notify == 0 || (notify & SMTP_NOTIFY_DELAY);
	case MAIL_DSN_RELAYED:
		break;
	}
	return notify & SMTP_NOTIFY_SUCCESS;
}

static void free_notice(struct notice *n)
{
	intake_drop(&n->in);
	queued_content_fini(&n->content);
	for (size_t i = 0; i < n->dsn.recipient_count; i++)
		free(n->hosts[i]);
	free(n->hosts);
	free(n->nobody);
	free(n->recipients);
	buf_fini(&n->header);
	free(n);
}

static void end(struct notice *n, int status, const struct fault *fault)
{
	struct queued *q = n->queued;
	uint64_t notice = status ? 0 : n->notice;
	void (*done)(struct queued *, int, const struct fault *, uint64_t) = n->done;

	free_notice(n);
	done(q, status, fault, notice);
}

/* Nobody waits for it any more: what is due is told after the next start. */
static bool is_called_off(const struct notice *n)
{
	return n->queued->queue->is_ending || n->queued->is_removed;
}

static void call_off(struct notice *n)
{
	struct fault fault;

	end(n, fault_set(&fault, -ECANCELED, "the notice was called off"), &fault);
}

/* What is said */

static bool was_refused(const struct recipient_status *s)
{
	return s->code >= 500 || (s->code == 0 && s->status.class == 5);
}

static struct smtp_status failure_of(const struct recipient_status *s)
{
	if (!was_refused(s))
		return (struct smtp_status){ 4, 4, 7 };
	return s->status.class == 5 ? s->status : (struct smtp_status){ 5, 0, 0 };
}

/* What waits without an attempt, or without another, has a reason of its own. */
static const char *why_nobody(struct notice *n)
{
	const struct queued *q = n->queued;
	struct buf reasons = { 0 };

	if (n->nobody)
		return n->nobody;
	if (q->is_held)
		buf_put_text(&reasons, "it is held by an administrator of this mail server");
	else
		queue_reasons(q->queue, &reasons);
	if (reasons.len == 0)
		buf_put_text(&reasons, "its turn to be sent has not come");
	n->nobody = queued_text(buf_span(&reasons));
	buf_fini(&reasons);
	return n->nobody;
}

static void describe(struct notice *n, enum mail_dsn_action action, size_t place,
		     struct mail_dsn_recipient *out)
{
	const struct queued_work *w = n->queued->work;
	const struct recipient_status *s = &w->delivery.recipients[place];

	out->action = action;
	out->address = span_text(w->envelope.recipients[place].address);
	out->orcpt = span_text(w->envelope.recipients[place].orcpt);
	out->status = action == MAIL_DSN_FAILED ? failure_of(s) : s->status;
	if (action == MAIL_DSN_DELAYED && (n->queued->is_held || (!s->code && !s->text))) {
		out->reason = why_nobody(n);
		out->status = (struct smtp_status){ 4, 0, 0 };
		return;
	}
	out->reply.code = s->code;
	out->reply.status = s->status;
	if (s->code)
		out->reply.text = span_text(s->text);
	else
		out->reason = s->text;
}

/* Copies what is the caller's. */
static void take_places(struct notice *n, const struct notice_conf *conf)
{
	size_t count = n->queued->work->envelope.recipient_count;

	n->recipients = mem_array(count, sizeof(*n->recipients));
	n->hosts = mem_array(count, sizeof(*n->hosts));
	for (size_t i = 0; i < count; i++) {
		struct mail_dsn_recipient *r = &n->recipients[n->dsn.recipient_count];
		char **host = &n->hosts[n->dsn.recipient_count];

		if (!conf->places[i])
			continue;
		describe(n, conf->action, i, r);
		if (conf->hosts && conf->hosts[i] && r->reply.code)
			r->smarthost = *host = mem_text(conf->hosts[i]);
		n->dsn.recipient_count++;
	}
	require(n->dsn.recipient_count > 0);
}

/* What was refused for its size (RFC 3463 X.2.3, X.3.4) or its form (X.6.x) would most likely get the
 * notice refused as well, and then nobody would hear of it. */
static bool is_in_the_way(const struct mail_dsn_recipient *r)
{
	const struct smtp_status *s = &r->status;

	return r->reply.code == 552 || s->subject == 6 || (s->subject == 2 && s->detail == 3) ||
	       (s->subject == 3 && s->detail == 4);
}

/* RFC 3461 6.2: RET speaks of failures only. RFC 8689 5: of a message that asked for TLS all the way not
 * even then. A binary one would make a binary notice, which few can take. */
static bool wants_full(const struct notice *n, const struct notice_conf *conf)
{
	const struct envelope *e = &n->queued->work->envelope;

	if (conf->action != MAIL_DSN_FAILED || e->ret != SMTP_RET_FULL || e->require_tls ||
	    (e->form & SMTP_FORM_BINARY))
		return false;
	for (size_t i = 0; i < n->dsn.recipient_count; i++)
		if (is_in_the_way(&n->recipients[i]))
			return false;
	return true;
}

/* The deadline is on the loop's clock. */
static int64_t expires_ms(const struct queued *q)
{
	return wall_now_ms() + queued_expires_at(q) - loop_now_ms(q->queue->conf.loop);
}

static void take_facts(struct notice *n, const struct notice_conf *conf)
{
	const struct envelope *e = &n->queued->work->envelope;
	struct mail_dsn *dsn = &n->dsn;

	id_format(n->queued->qid, n->id);
	random_fill(dsn->random, sizeof(dsn->random));
	dsn->id = n->id;
	dsn->notice_id = n->notice_id;
	dsn->sender = span_text(e->sender);
	dsn->envid = span_text(e->envid);
	dsn->recipients = n->recipients;
	dsn->is_full = wants_full(n, conf);
	dsn->is_full_8bit = (e->form & SMTP_FORM_8BIT) != 0;
	dsn->is_full_long = (e->form & SMTP_FORM_LONG_LINES) != 0;
	dsn->is_utf8 = e->is_utf8;
	dsn->is_expired = conf->is_expired;
	dsn->is_by_hand = conf->is_by_hand;
	dsn->arrived_ms = e->arrived_ms;
	dsn->last_ms = n->queued->work->delivery.last_ms;
	if (conf->action == MAIL_DSN_DELAYED)
		dsn->expires_ms = expires_ms(n->queued);
}

/* Into the intake */

static void on_committed(void *user, int status, const struct fault *fault)
{
	struct notice *n = user;
	struct fault copy = { 0 };

	n->in = NULL;
	if (fault)
		copy = *fault;
	end(n, status, status ? &copy : NULL);
}

static void on_room(void *user);

static uint64_t header_octets(struct span text)
{
	const unsigned char *end = memmem(text.at, text.len, "\r\n\r\n", 4);

	return end ? (uint64_t)(end - text.at) + 2 : text.len;
}

static void commit(struct notice *n)
{
	const struct queued *q = n->queued;
	struct envelope envelope = { .sid = q->sid,
				     .account = mem_text(""),
				     .sender = mem_text(""),
				     .envid = mem_text(""),
				     .arrived_ms = n->dsn.now_ms,
				     .header_octets = n->header_octets,
				     .form = mail_dsn_form(&n->dsn),
				     .is_utf8 = mail_dsn_is_utf8(&n->dsn),
				     .require_tls = q->work->envelope.require_tls };
	struct buf text = { 0 };

	queued_content_fini(&n->content);
	envelope_add_recipient(&envelope, n->dsn.sender, NULL);
	mail_dsn_end(&n->dsn, &text);
	intake_put(n->in, buf_span(&text));
	buf_fini(&text);
	intake_commit(n->in, &envelope);
}

static void finish(struct notice *n)
{
	n->is_complete = true;
	if (n->has_room)
		commit(n);
}

static void begin(struct notice *n)
{
	const struct queue *queue = n->queued->queue;
	struct intake_conf conf = {
		.queue = n->queued->queue, .room = on_room, .done = on_committed, .user = n
	};
	struct buf text = { 0 };

	n->in = intake_new(&conf);
	n->notice = intake_qid(n->in);
	id_format(n->notice, n->notice_id);
	n->dsn.reporting_mta = queue->hostname;
	n->dsn.company = queue->company;
	n->dsn.header = buf_span(&n->header);
	n->dsn.now_ms = wall_now_ms();
	mail_dsn_begin(&n->dsn, &text);
	n->header_octets = header_octets(buf_span(&text));
	n->has_room = intake_put(n->in, buf_span(&text));
	buf_fini(&text);
}

/* What the intake has so far is of no use without the rest. */
static void begin_without_content(struct notice *n)
{
	intake_drop(&n->in);
	n->is_streaming = false;
	n->dsn.is_full = false;
	n->dsn.is_unreadable = true;
	begin(n);
	finish(n);
}

static void stream(struct notice *n)
{
	struct span part;
	int status = 1;

	while (n->has_room && (status = n->content.source.next(&n->content.source, &part)) == 1)
		n->has_room = intake_put(n->in, part);
	if (status == 1 || status == -EAGAIN)
		return; /* on_room() or on_more() */
	if (status)
		begin_without_content(n);
	else
		finish(n);
}

static void on_room(void *user)
{
	struct notice *n = user;

	n->has_room = true;
	if (is_called_off(n))
		call_off(n);
	else if (n->is_complete)
		commit(n);
	else
		stream(n);
}

/* Out of the content */

static size_t header_wanted(const struct queued *q)
{
	return q->header_octets < HEADER_MOST ? (size_t)q->header_octets : HEADER_MOST;
}

static void gather(struct notice *n)
{
	size_t wanted = header_wanted(n->queued);
	struct span part;
	int status = 1;

	while (n->header.len < wanted &&
	       (status = n->content.source.next(&n->content.source, &part)) == 1)
		buf_put_span(&n->header, span_first(part, wanted - n->header.len));
	if (status == -EAGAIN)
		return;
	if (status != 1) {
		begin_without_content(n);
		return;
	}
	begin(n);
	if (!n->dsn.is_full) {
		finish(n);
		return;
	}
	n->is_streaming = true;
	n->content.source.rewind(&n->content.source);
	stream(n);
}

static void on_more(void *user)
{
	struct notice *n = user;

	if (is_called_off(n))
		call_off(n);
	else if (n->is_streaming)
		stream(n);
	else
		gather(n);
}

void notice_start(const struct notice_conf *conf)
{
	struct notice *n = mem_new(struct notice);

	n->queued = conf->queued;
	n->done = conf->done;
	take_places(n, conf);
	take_facts(n, conf);
	queued_content_init(&n->content, n->queued, on_more, n);
	gather(n);
}
