/* queue/report.c: the notice of non-delivery: a message of ours to the sender.
 *
 * It is committed before the original is settled: a crash between the two costs a second notice,
 * never the only one.
 */
#include "content.h"

#include "base/id.h"
#include "base/mem.h"
#include "mail/dsn.h"

#include <errno.h>
#include <stdlib.h>

/* More of the original's header section is not sent back. */
enum { HEADER_MOST = 64 * 1024 };

struct report {
	struct queued *queued;
	struct queued_content content;
	struct buf header;
	uint64_t notice;
};

static void free_report(struct report *r)
{
	queued_content_fini(&r->content);
	buf_fini(&r->header);
	free(r);
}

/* The spool took no notice now: the message stays as it is, and the notice is tried again. */
static void put_off(struct queued *q, const struct fault *fault)
{
	queue_tell_trouble(q->queue, "unreported", q->envelope.qid, fault);
	queued_forget_content(q);
	if (q->queue->is_ending)
		queued_free(&q);
	else
		queued_set_due(q, q->queue->conf.retry_first_ms);
}

static void has_reported(struct queued *q)
{
	queued_forget_attempt(q);
	queued_write_down(q, true);
}

static void on_committed(void *user, int status, const struct fault *fault)
{
	struct report *r = user;
	struct queued *q = r->queued;
	uint64_t notice = r->notice;

	free_report(r);
	if (status) {
		put_off(q, fault);
		return;
	}
	counter_add(&q->queue->conf.counters->bounces_made, 1);
	queued_tell_bounced(q, notice);
	has_reported(q);
}

static void describe(const struct queued *q, size_t place, struct mail_dsn_recipient *out)
{
	const struct recipient_status *s = &q->delivery.recipients[place];

	out->address = span_text(q->envelope.recipients[place]);
	out->status = s->status;
	if (queued_ran_out(s))
		out->status = (struct smtp_status){ 4, 4, 7 };
	else if (s->status.class == 0)
		out->status = (struct smtp_status){ 5, 0, 0 };
	out->smarthost = q->hosts[place];
	out->reply.code = s->code;
	out->reply.status = s->status;
	if (s->code)
		out->reply.text = span_text(s->text);
	else
		out->reason = s->text;
}

static void format_notice(const struct report *r, struct buf *out)
{
	const struct queued *q = r->queued;
	struct mail_dsn_recipient *recipients =
		mem_array(q->delivery.recipient_count, sizeof(*recipients));
	char id[ID_TEXT_MAX], notice_id[ID_TEXT_MAX];
	struct mail_dsn dsn = { .reporting_mta = q->queue->hostname,
				.company = q->queue->company,
				.id = id,
				.notice_id = notice_id,
				.sender = span_text(q->envelope.sender),
				.header = buf_span(&r->header),
				.arrived_ms = q->envelope.arrived_ms,
				.now_ms = wall_now_ms(),
				.is_expired = q->has_expired,
				.recipients = recipients };

	id_format(q->envelope.qid, id);
	id_format(r->notice, notice_id);
	for (size_t i = 0; i < q->delivery.recipient_count; i++)
		if (q->unreported[i])
			describe(q, i, &recipients[dsn.recipient_count++]);
	mail_dsn_format(&dsn, out);
	free(recipients);
}

static uint64_t header_octets(struct span text)
{
	const unsigned char *end = memmem(text.at, text.len, "\r\n\r\n", 4);

	return end ? (uint64_t)(end - text.at) + 2 : text.len;
}

static void commit_notice(struct report *r)
{
	const struct queued *q = r->queued;
	struct intake_conf conf = { .queue = q->queue, .done = on_committed, .user = r };
	struct intake *in = intake_new(&conf);
	struct envelope envelope = { .sid = q->envelope.sid,
				     .account = mem_text(""),
				     .sender = mem_text(""),
				     .arrived_ms = wall_now_ms() };
	struct buf text = { 0 };

	r->notice = intake_qid(in);
	format_notice(r, &text);
	envelope.header_octets = header_octets(buf_span(&text));
	envelope.has_8bit = !span_is_ascii(buf_span(&text));
	envelope_add_recipient(&envelope, span_text(q->envelope.sender));
	intake_put(in, buf_span(&text));
	buf_fini(&text);
	intake_commit(in, &envelope);
}

static size_t header_wanted(const struct queued *q)
{
	uint64_t n = q->envelope.header_octets;

	return n < HEADER_MOST ? (size_t)n : HEADER_MOST;
}

/* A content that cannot be read makes a notice without a header section. */
static void gather(void *user)
{
	struct report *r = user;
	size_t wanted = header_wanted(r->queued);
	struct span part;
	int status = 1;

	while (r->header.len < wanted &&
	       (status = r->content.source.next(&r->content.source, &part)) == 1)
		buf_put_span(&r->header, span_first(part, wanted - r->header.len));
	if (status == -EAGAIN)
		return;
	queued_content_fini(&r->content);
	commit_notice(r);
}

void queued_report(struct queued *q)
{
	struct report *r;

	if (q->envelope.sender[0] == '\0') {
		queued_tell_discarded(q);
		has_reported(q);
		return;
	}
	q->state = QUEUED_REPORTING;
	r = mem_new(struct report);
	r->queued = q;
	queued_content_init(&r->content, q, gather, r);
	gather(r);
}
