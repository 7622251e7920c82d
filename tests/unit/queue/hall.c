#include "test.h"

#include "hall.h"
#include "inside.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { CHUNKS_MOST = 16 };

struct hall hall;

static struct queue queue;
static struct counters counters;
static int64_t now_ms;
static struct heap timers;
static struct work *works, **works_end = &works;
static struct list chunks_waiting;
static struct buf chunks[CHUNKS_MOST];
static unsigned chunk_count;
static uint64_t last_id;
static struct queued the_queued;

/* Loop, clock and lane */

void loop_post(struct loop *loop, struct work *work)
{
	(void)loop;
	work->next = NULL;
	*works_end = work;
	works_end = &work->next;
}

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return now_ms;
}

int64_t wall_now_ms(void)
{
	return 1000000 + now_ms;
}

void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms)
{
	timer_clear(loop, timer);
	heap_insert(&timers, &timer->node, now_ms + (in_ms > 0 ? in_ms : 1));
}

void timer_clear(struct loop *loop, struct timer *timer)
{
	(void)loop;
	heap_remove(&timers, &timer->node);
}

/* A read is made at once, and told later. */
static void end_job(struct work *work)
{
	struct lane_job *job = list_entry(work, struct lane_job, link);

	job->done(job);
}

void lane_put(struct lane *lane, struct lane_job *job)
{
	(void)lane;
	job->run(job);
	job->link.run = end_job;
	loop_post(NULL, &job->link);
}

void hall_settle(void)
{
	struct work *work;

	while ((work = works) != NULL) {
		works = work->next;
		if (works == NULL)
			works_end = &works;
		work->run(work);
	}
}

static void settle(void)
{
	if (!hall.is_hasty)
		hall_settle();
}

bool hall_pass_time(void)
{
	struct heap_node *first = heap_first(&timers);
	struct timer *timer;

	if (first == NULL)
		return false;
	now_ms = first->key;
	heap_remove(&timers, first);
	timer = list_entry(first, struct timer, node);
	timer->fire(timer);
	settle();
	return true;
}

void hall_wait(int64_t ms)
{
	assert_true(heap_first(&timers) == NULL || heap_first(&timers)->key > now_ms + ms);
	now_ms += ms;
}

int64_t hall_now_ms(void)
{
	return now_ms;
}

uint64_t hall_counted(size_t offset)
{
	return *(const _Atomic uint64_t *)(const void *)((const char *)&counters + offset);
}

/* The spool */

uint64_t spool_new_id(struct spool *spool)
{
	(void)spool;
	return ++last_id;
}

static void end_write(struct spool_write *write, int status)
{
	write->status = status;
	hall.has_failed |= status != 0;
	if (status)
		fault_set(&write->fault, status, "the disk is full");
	loop_post(NULL, &write->done);
}

static void end_content(struct spool_write *write, int status)
{
	assert_true(chunk_count < CHUNKS_MOST);
	if (status == 0)
		buf_put_span(&chunks[chunk_count++], write->content);
	end_write(write, status);
}

void spool_put(struct spool *spool, struct spool_write *write)
{
	(void)spool;
	if (write->kind == SPOOL_CONTENT && hall.holds_chunks) {
		list_push_back(&chunks_waiting, &write->node);
	} else if (write->kind == SPOOL_CONTENT) {
		end_content(write, 0);
	} else {
		assert_int_equal(write->kind, SPOOL_COMMIT);
		assert_null(hall.commit);
		assert_true(list_is_empty(&chunks_waiting));
		hall.commit = write;
		hall.commits++;
	}
}

void hall_commit(int status)
{
	struct spool_write *write = hall.commit;

	assert_non_null(write);
	hall.commit = NULL;
	end_write(write, status);
	settle();
}

void hall_chunks(int status)
{
	struct list_node *node;

	while ((node = list_pop_front(&chunks_waiting)) != NULL)
		end_content(list_entry(node, struct spool_write, node), status);
	settle();
}

bool hall_has_chunks(void)
{
	return !list_is_empty(&chunks_waiting);
}

int spool_read(struct spool *spool, uint64_t id, unsigned index, struct buf *out,
	       struct fault *fault)
{
	(void)spool;
	assert_int_equal(id, last_id);
	if (index >= chunk_count)
		return fault_set(fault, -ENODATA, "no such chunk");
	buf_put_span(out, buf_span(&chunks[index]));
	return 0;
}

/* The relay */

void relay_send(struct relay *relay, struct relay_job *job)
{
	(void)relay;
	assert_false(queue.is_ending);
	assert_null(hall.relay.job); /* never two attempts at once */
	assert_false(hall.queued.is_there || hall.may_have_it || hall.contents_sent);
	assert_true(job->is_urgent);
	assert_true(job->message.recipient_count > 0);
	assert_true(job->message.is_utf8 && job->message.require_tls);
	hall.relay = (struct hall_job){ .job = job };
	hall.jobs++;
}

void relay_grow(struct relay_job *job)
{
	assert_ptr_equal(job, hall.relay.job);
	assert_true(job->is_open);
}

void relay_content(struct relay_job *job)
{
	assert_ptr_equal(job, hall.relay.job);
	assert_true(job->is_open);
	job->is_open = false;
}

bool relay_cancel(struct relay_job *job)
{
	assert_ptr_equal(job, hall.relay.job);
	if (!job->is_open && hall.relay.is_carried)
		return false;
	hall.relay = (struct hall_job){ 0 };
	hall.cancels++;
	return true;
}

void relay_more(struct relay_job *job)
{
	(void)job;
}

void hall_carry(void)
{
	assert_non_null(hall.relay.job);
	hall.relay.is_carried = true;
}

static struct smtp_reply reply_of(int code)
{
	return (struct smtp_reply){ code, { (uint8_t)(code / 100), 1, 1 }, span_text("its words") };
}

void hall_accept(size_t place)
{
	struct smtp_reply reply = reply_of(250);

	assert_true(place < hall.relay.job->message.recipient_count);
	hall.relay.has_accepted[place] = true;
	hall.relay.job->accepted(hall.relay.job, place, &reply);
	settle();
}

/* What was not asked now, counts no more. */
static void note_truth(struct span address, const struct relay_verdict *verdict)
{
	struct hall_truth *truth = &hall.truth[address.at[0] - '0'];

	truth->delivered += verdict->outcome == RELAY_DELIVERED;
	truth->is_judged = !verdict->is_untried;
	truth->last = verdict->outcome;
}

static void give(size_t place, const struct relay_verdict *verdict)
{
	if (hall.relay.has_verdict[place])
		return;
	hall.relay.has_verdict[place] = true;
	note_truth(hall.relay.job->message.recipients[place], verdict);
	hall.relay.job->recipient(hall.relay.job, place, verdict);
}

static struct relay_verdict verdict_of(enum relay_outcome outcome, int code)
{
	return (struct relay_verdict){ .outcome = outcome,
				       .reply = reply_of(code),
				       .smarthost = "main",
				       .host = "smtp.example.net",
				       .takes_dsn = hall.offers_dsn };
}

void hall_verdict(size_t place, enum relay_outcome outcome, int code)
{
	struct relay_verdict verdict = verdict_of(outcome, code);

	assert_true(place < hall.relay.job->message.recipient_count);
	give(place, &verdict);
	settle();
}

void hall_leave(size_t place)
{
	struct relay_verdict verdict = verdict_of(RELAY_DEFERRED, 452);

	verdict.is_untried = true;
	assert_true(place < hall.relay.job->message.recipient_count);
	give(place, &verdict);
	settle();
}

/* Those who were added when it was over already have no verdict. */
void hall_done(void)
{
	struct relay_job *job = hall.relay.job;

	hall.relay = (struct hall_job){ 0 };
	job->done(job);
	settle();
}

static void give_rest(const struct relay_verdict *verdict)
{
	for (size_t i = 0; i < hall.relay.job->message.recipient_count; i++)
		give(i, verdict);
}

static void give_all(const struct relay_verdict *verdict)
{
	give_rest(verdict);
	hall_done();
}

static void read_content(struct relay_job *job)
{
	struct span part;
	int status;

	buf_clear(&hall.sent);
	while ((status = job->source->next(job->source, &part)) != 0) {
		if (status == -EAGAIN)
			hall_settle();
		else if (status == 1)
			buf_put_span(&hall.sent, part);
		else
			fail_msg("the content cannot be read: %d", status);
	}
	assert_int_equal(hall.sent.len, job->message.size);
	hall.contents_sent++;
}

void hall_judge(enum relay_outcome outcome, int code)
{
	struct relay_verdict verdict = verdict_of(outcome, code);

	assert_non_null(hall.relay.job);
	assert_false(hall.relay.job->is_open);
	hall_carry();
	read_content(hall.relay.job);
	give_rest(&verdict);
	settle();
}

void hall_end(enum relay_outcome outcome, int code)
{
	hall_judge(outcome, code);
	hall_done();
}

void hall_lose(void)
{
	hall.may_have_it = !hall.relay.job->is_open;
	give_all(&(struct relay_verdict){ .outcome = RELAY_DEFERRED,
					  .smarthost = "main",
					  .host = "smtp.example.net",
					  .reason = "connection reset" });
}

void hall_refuse_job(void)
{
	assert_false(hall.relay.is_carried);
	give_all(&(struct relay_verdict){
		.outcome = RELAY_DEFERRED, .is_untried = true, .reason = "left alone" });
}

/* The queue */

void queue_pend(struct queue *q)
{
	(void)q;
	hall.pending++;
}

void queue_unpend(struct queue *q)
{
	(void)q;
	assert_true(hall.pending > 0);
	hall.pending--;
}

bool queue_reserve(struct queue *q, size_t octets)
{
	(void)q;
	if (hall.left < (int64_t)octets)
		return false;
	hall.left -= (int64_t)octets;
	return true;
}

void queue_release(struct queue *q, int64_t octets)
{
	(void)q;
	hall.left += octets;
}

static void take(struct envelope *envelope)
{
	assert_false(hall.queued.is_there);
	assert_true(envelope->recipient_count > 0);
	hall.queued.is_there = true;
	hall.queued.envelope = *envelope;
	*envelope = (struct envelope){ 0 };
}

static void take_content(struct buf *content, int64_t reserved)
{
	hall.queued.is_kept = content != NULL;
	hall.queued.reserved = reserved;
	if (content) {
		hall.queued.memory = *content;
		*content = (struct buf){ 0 };
	}
}

void queue_add(struct queue *q, struct envelope *envelope, struct buf *content, int64_t reserved)
{
	(void)q;
	assert_null(hall.relay.job); /* it would be tried beside that */
	take(envelope);
	take_content(content, reserved);
}

struct queued *queue_add_active(struct queue *q, struct envelope *envelope)
{
	(void)q;
	take(envelope);
	hall.queued.is_active = true;
	return &the_queued;
}

void queued_hear(struct queued *q, size_t place, const struct relay_verdict *verdict)
{
	struct hall_heard *heard = &hall.queued.heard[place];

	assert_ptr_equal(q, &the_queued);
	assert_true(hall.queued.is_active && !hall.queued.is_ended);
	assert_true(place < hall.queued.envelope.recipient_count);
	assert_int_equal(heard->count, 0);
	heard->count++;
	heard->outcome = verdict->outcome;
	heard->is_untried = verdict->is_untried;
	heard->code = verdict->reply.code;
}

void queued_end_attempt(struct queued *q, struct buf *content, int64_t reserved)
{
	assert_ptr_equal(q, &the_queued);
	assert_true(hall.queued.is_active && !hall.queued.is_ended);
	assert_null(hall.relay.job);
	hall.queued.is_ended = true;
	take_content(content, reserved);
}

struct queued_line *queue_line_ask(struct queue *q, const char *account, bool *is_second)
{
	(void)q;
	*is_second = hall.asks > 0;
	assert_string_equal(account, "alice");
	if (hall.asks == hall.asks_most)
		return NULL;
	hall.asks++;
	return (void *)&hall;
}

void queued_line_end_ask(struct queue *q, struct queued_line **line)
{
	(void)q;
	hall.asks -= *line != NULL;
	*line = NULL;
}

void queue_drop_content(struct queue *q, uint64_t id)
{
	(void)q;
	assert_int_equal(id, last_id);
	hall.drops++;
}

void queue_tell(struct queue *q, const struct logline *line)
{
	(void)q;
	hall.delivered_lines += strstr(line->text, "event=delivered ") != NULL;
	hall.refused_lines += strstr(line->text, "event=smarthost-refused ") != NULL;
	hall.repeat_lines += strstr(line->text, "event=repeat-likely ") != NULL;
}

void queue_tell_settled(struct queue *q, uint64_t qid)
{
	(void)q;
	assert_int_equal(qid, last_id);
	hall.settled_lines++;
}

void queue_tell_trouble(struct queue *q, const char *event, uint64_t qid, const struct fault *fault)
{
	(void)q;
	(void)qid;
	fail_msg("%s: %s", event, fault->text);
}

void hall_stop(void)
{
	queue.is_ending = true;
}

/* Opening and closing */

void hall_open(void)
{
	hall = (struct hall){ .queue = &queue, .budget = 1 << 20, .left = 1 << 20, .asks_most = 1 };
	queue = (struct queue){ .conf = { .counters = &counters, .keep_octets = 100000 } };
	memset(&counters, 0, sizeof(counters));
	now_ms = 0;
	list_init(&chunks_waiting);
}

void hall_close(void)
{
	hall_settle();
	assert_null(hall.relay.job);
	assert_null(hall.commit);
	assert_int_equal(hall.pending, 0);
	assert_int_equal(hall.asks, 0);
	assert_null(heap_first(&timers));
	assert_int_equal(hall.left + hall.queued.reserved, hall.budget);
	if (hall.queued.is_active)
		assert_true(hall.queued.is_ended);
	envelope_fini(&hall.queued.envelope);
	buf_fini(&hall.queued.memory);
	queue_spares_fini(&queue);
	buf_fini(&hall.sent);
	heap_fini(&timers);
	timers = (struct heap){ 0 };
	while (chunk_count)
		buf_fini(&chunks[--chunk_count]);
}
