#include "test.h"

#include "house.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS_MOST = 1000000, TIMERS_MOST = 4 };

struct house house;
static struct work *first_work, **last_work = &first_work;
static struct timer *timers[TIMERS_MOST];

/* The loop */

void loop_post(struct loop *loop, struct work *work)
{
	(void)loop;
	work->next = NULL;
	*last_work = work;
	last_work = &work->next;
}

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return house.now_ms;
}

int64_t wall_now_ms(void)
{
	return house.wall_ms;
}

void random_fill(void *at, size_t n)
{
	memset(at, 0x5A, n);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms)
{
	timer_clear(loop, timer);
	timer->node.key = house.now_ms + (in_ms > 1 ? in_ms : 1);
	for (int i = 0; i < TIMERS_MOST; i++)
		if (timers[i] == NULL) {
			timers[i] = timer;
			return;
		}
	fail_msg("too many timers");
}

void timer_clear(struct loop *loop, struct timer *timer)
{
	(void)loop;
	for (int i = 0; i < TIMERS_MOST; i++)
		if (timers[i] == timer)
			timers[i] = NULL;
}

void house_run(void)
{
	for (unsigned i = 0; first_work; i++) {
		struct work *work = first_work;

		if (i == TURNS_MOST)
			fail_msg("the loop never comes to rest");
		first_work = work->next;
		if (first_work == NULL)
			last_work = &first_work;
		house.turns++;
		work->run(work);
	}
}

static struct timer *next_timer(int64_t until)
{
	struct timer *next = NULL;

	for (int i = 0; i < TIMERS_MOST; i++)
		if (timers[i] && timers[i]->node.key <= until &&
		    (next == NULL || timers[i]->node.key < next->node.key))
			next = timers[i];
	return next;
}

void house_pass(int64_t ms)
{
	int64_t until = house.now_ms + ms;
	struct timer *timer;

	house_run();
	for (unsigned i = 0; (timer = next_timer(until)) != NULL; i++) {
		if (i == TURNS_MOST)
			fail_msg("timers without end");
		house.wall_ms += timer->node.key - house.now_ms;
		house.now_ms = timer->node.key;
		timer_clear(NULL, timer);
		timer->fire(timer);
		house_run();
	}
	house.wall_ms += until - house.now_ms;
	house.now_ms = until;
}

/* The relay */

struct gift {
	struct work work;
	struct relay_job *job;
};

static void give_back_later(struct work *work)
{
	struct gift *gift = work_entry(work, struct gift, work);

	house_give_back(gift->job);
	free(gift);
}

void relay_send(struct relay *relay, struct relay_job *job)
{
	struct gift *gift;

	(void)relay;
	house.sent++;
	if (house.room)
		house.room--;
	list_push_back(&house.jobs, &job->node);
	if (!house.gives_back)
		return;
	gift = mem_new(struct gift);
	gift->job = job;
	gift->work.run = give_back_later;
	loop_post(NULL, &gift->work);
}

void relay_more(struct relay_job *job)
{
	(void)job;
}

bool relay_cancel(struct relay_job *job)
{
	if (house.is_carried)
		return false;
	list_remove(&house.jobs, &job->node);
	return true;
}

size_t relay_room(struct relay *relay)
{
	(void)relay;
	return house.room;
}

void relay_hurry(struct relay *relay)
{
	(void)relay;
	house.hurries++;
}

bool relay_look(const struct relay *relay, size_t i, struct relay_view *out)
{
	(void)relay;
	if (i >= house.look_count)
		return false;
	*out = (struct relay_view){ .name = house.looks[i].name,
				    .host = house.looks[i].host,
				    .reason = house.looks[i].reason,
				    .paused_ms = house.looks[i].paused_ms,
				    .rated_ms = house.looks[i].rated_ms };
	return true;
}

struct relay_job *house_job(void)
{
	if (list_is_empty(&house.jobs))
		fail_msg("the relay has no job");
	return list_entry(list_first(&house.jobs), struct relay_job, node);
}

struct relay_job *house_job_of(uint64_t qid)
{
	list_each (&house.jobs, node) {
		struct relay_job *job = list_entry(node, struct relay_job, node);

		if (job->qid == qid)
			return job;
	}
	fail_msg("the relay has no job of that message");
	return NULL;
}

static enum relay_outcome outcome_of(int code)
{
	return code < 300 ? RELAY_DELIVERED : code >= 500 ? RELAY_REFUSED : RELAY_DEFERRED;
}

/* "!words": the relay's own, of a smarthost that said nothing. */
void house_hear(struct relay_job *job, size_t index, const char *reply)
{
	struct relay_verdict v = { .smarthost = "main", .host = "smtp.example.net" };
	struct span text;

	if (reply[0] == '!') {
		v.outcome = RELAY_DEFERRED;
		v.reason = reply + 1;
	} else {
		v.reply.code = atoi(reply);
		v.outcome = outcome_of(v.reply.code);
		text = span_text(reply + 4);
		if (!smtp_status_parse(text, v.reply.code, &v.reply.status, &v.reply.text))
			v.reply.text = text;
	}
	job->recipient(job, index, &v);
}

void house_leave(struct relay_job *job, size_t index)
{
	struct relay_verdict v = { .outcome = RELAY_DEFERRED,
				   .is_untried = true,
				   .smarthost = "main",
				   .host = "smtp.example.net",
				   .reply = { .code = 452, .text = span_text("too many") } };

	job->recipient(job, index, &v);
}

void house_end(struct relay_job *job)
{
	list_remove(&house.jobs, &job->node);
	job->done(job);
}

void house_answer(struct relay_job *job, const char *reply)
{
	for (size_t i = 0; i < job->message.recipient_count; i++)
		house_hear(job, i, reply);
	house_end(job);
	house_run();
}

void house_give_back(struct relay_job *job)
{
	struct relay_verdict v = { .outcome = RELAY_DEFERRED,
				   .is_untried = true,
				   .reason = "main: connection refused" };

	for (size_t i = 0; i < job->message.recipient_count; i++)
		job->recipient(job, i, &v);
	house_end(job);
}

/* The spool */

static int error_of(const struct spool_write *w)
{
	if (house.spool_error)
		return house.spool_error;
	return w->kind == SPOOL_NOTE ? house.note_error : 0;
}

static void keep_write(const struct spool_write *w)
{
	house.writes[house.write_count++ % HOUSE_MOST] =
		(struct house_write){ w->kind, w->id, w->is_lazy };
	if (w->kind != SPOOL_NOTE || error_of(w))
		return;
	buf_clear(&house.note);
	buf_put_span(&house.note, w->record);
}

static void finish(struct spool_write *w)
{
	w->status = error_of(w);
	if (w->status)
		fault_set(&w->fault, w->status, "the disk is full");
	loop_post(NULL, &w->done);
}

void spool_put(struct spool *spool, struct spool_write *w)
{
	(void)spool;
	keep_write(w);
	if (house.is_spool_slow)
		list_push_back(&house.slow, &w->node);
	else
		finish(w);
}

void house_finish_slow(void)
{
	struct list_node *node;

	while ((node = list_pop_front(&house.slow)) != NULL)
		finish(list_entry(node, struct spool_write, node));
	house_run();
}

int spool_read(struct spool *spool, uint64_t id, unsigned index, struct buf *out,
	       struct fault *fault)
{
	(void)spool, (void)id, (void)index, (void)out;
	return fault_set(fault, -5, "nothing is read here");
}

void lane_put(struct lane *lane, struct lane_job *job)
{
	(void)lane, (void)job;
	fail_msg("nothing is read here");
}

static const char *word_of(const struct house_write *w)
{
	switch (w->kind) {
	case SPOOL_NOTE:
		return w->is_lazy ? "lazy-note" : "note";
	case SPOOL_SETTLE:
		return w->is_lazy ? "lazy-settle" : "settle";
	default:
		return "other";
	}
}

const char *house_written(uint64_t id)
{
	static char text[1024];
	size_t from = house.write_count > HOUSE_MOST ? house.write_count - HOUSE_MOST : 0;

	text[0] = '\0';
	for (size_t i = from; i < house.write_count; i++) {
		const struct house_write *w = &house.writes[i % HOUSE_MOST];

		if (w->id != id)
			continue;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 text[0] ? " " : "", word_of(w));
	}
	return text;
}

struct delivery house_note(void)
{
	struct delivery d = { 0 };

	assert_int_equal(delivery_decode(buf_span(&house.note), &d), 0);
	return d;
}

/* Notices */

struct slow_notice {
	struct work work;
	struct list_node node;
	struct queued *of;
	void (*done)(struct queued *q, int status, const struct fault *fault, uint64_t notice);
};

static void end_notice(struct work *work)
{
	struct slow_notice *n = work_entry(work, struct slow_notice, work);
	struct fault fault;

	fault_set(&fault, house.notice_error, "the disk is full");
	n->done(n->of, house.notice_error, &fault, 77);
	free(n);
}

void house_finish_notice(int status)
{
	struct list_node *node;

	assert_false(list_is_empty(&house.slow_notices));
	house.notice_error = status;
	while ((node = list_pop_front(&house.slow_notices)) != NULL)
		loop_post(NULL, &list_entry(node, struct slow_notice, node)->work);
	house_run();
}

static void describe(struct house_notice *n, const struct notice_conf *conf)
{
	const struct queued *q = conf->queued;

	n->qid = q->qid;
	n->action = conf->action;
	n->is_expired = conf->is_expired;
	n->is_by_hand = conf->is_by_hand;
	for (size_t i = q->recipient_count; i-- > 0;) {
		const struct recipient_status *s = &q->work->delivery.recipients[i];
		char places[32];

		if (!conf->places[i])
			continue;
		snprintf(places, sizeof(places), "%zu%s%.20s", i, n->places[0] ? " " : "",
			 n->places);
		memcpy(n->places, places, sizeof(places));
		snprintf(n->host, sizeof(n->host), "%s", conf->hosts[i] ? conf->hosts[i] : "");
		snprintf(n->text, sizeof(n->text), "%s", s->text ? s->text : "");
		n->status = s->status;
	}
}

void notice_start(const struct notice_conf *conf)
{
	struct slow_notice *n;

	house.notices[house.notice_count % HOUSE_MOST] = (struct house_notice){ 0 };
	describe(&house.notices[house.notice_count++ % HOUSE_MOST], conf);
	n = mem_new(struct slow_notice);
	n->of = conf->queued;
	n->done = conf->done;
	n->work.run = end_notice;
	if (house.is_notice_slow)
		list_push_back(&house.slow_notices, &n->node);
	else
		loop_post(NULL, &n->work);
}

bool notice_is_wanted(const struct envelope *e, size_t place, enum mail_dsn_action action)
{
	unsigned notify = e->recipients[place].notify;

	if (e->sender[0] == '\0')
		return false;
	switch (action) {
	case MAIL_DSN_FAILED:
		return notify == 0 || notify & SMTP_NOTIFY_FAILURE;
	case MAIL_DSN_DELAYED:
		return notify == 0 || notify & SMTP_NOTIFY_DELAY;
	case MAIL_DSN_RELAYED:
		return notify & SMTP_NOTIFY_SUCCESS;
	}
	return false;
}

/* The log */

void log_put(struct log *log, const struct logline *line)
{
	(void)log;
	if (house.log_octets + line->len + 2 > sizeof(house.log))
		house.log_octets = 0;
	memcpy(house.log + house.log_octets, line->text, line->len);
	house.log_octets += line->len;
	house.log[house.log_octets++] = '\n';
	house.log[house.log_octets] = '\0';
}

unsigned house_said(const char *event, const char *part)
{
	char start[64];
	unsigned n = 0;

	snprintf(start, sizeof(start), "event=%s", event);
	for (char *at = house.log; at < house.log + house.log_octets;) {
		char *end = strchr(at, '\n');

		*end = '\0';
		n += strncmp(at, start, strlen(start)) == 0 &&
		     (at[strlen(start)] == ' ' || at[strlen(start)] == '\0') &&
		     strstr(at, part) != NULL;
		*end = '\n';
		at = end + 1;
	}
	return n;
}

/* The queue */

static void open_queue(void)
{
	house.queue = queue_new(&house.conf);
}

void house_start(void)
{
	static const int64_t minute = 60 * 1000;

	buf_fini(&house.note);
	house = (struct house){
		.now_ms = 1000000, .wall_ms = 1795299114123, .room = 1000000, .is_carried = true
	};
	first_work = NULL;
	last_work = &first_work;
	memset(timers, 0, sizeof(timers));
	list_init(&house.jobs);
	list_init(&house.slow);
	list_init(&house.slow_notices);
	house.looks[0] = (struct house_look){ "main", "smtp.example.net", NULL, 0, 0 };
	house.look_count = 1;
	house.conf = (struct queue_conf){
		.loop = (struct loop *)(void *)&house,
		.log = (struct log *)(void *)&house,
		.relay = (struct relay *)(void *)&house,
		.counters = &house.counters,
		.hostname = "relay.example.com",
		.company = "Example Corp",
		.retry_ms = { minute, 5 * minute, 15 * minute },
		.retry_count = 3,
		.warn_ms = 4 * 60 * minute,
		.expire_ms = 5 * 24 * 60 * minute,
		.active = 8,
		.memory = &house.memory,
		.keep_octets = 100000,
	};
	open_queue();
}

static bool is_freed;

static void on_freed(void *user)
{
	(void)user;
	is_freed = true;
}

static void close_queue(void)
{
	is_freed = false;
	queue_free(house.queue, on_freed, NULL);
	house_run();
	while (!list_is_empty(&house.jobs))
		house_answer(house_job(), "!we stop");
	house_run();
	assert_true(is_freed);
	assert_int_equal(house.counters.queue_messages, 0);
	assert_int_equal(house.counters.queue_held, 0);
	assert_int_equal(house.memory, 0);
	assert_null(next_timer(INT64_MAX));
}

void house_stop(void)
{
	close_queue();
	buf_fini(&house.note);
}

void house_restart(void)
{
	close_queue();
	open_queue();
}

struct envelope house_envelope(uint64_t qid, const char *account, const char *sender,
			       const char *recipients, unsigned notify)
{
	struct envelope e = { .qid = qid,
			      .sid = 7,
			      .account = mem_text(account),
			      .sender = mem_text(sender),
			      .envid = mem_text("QQ314159"),
			      .arrived_ms = house.wall_ms,
			      .size = 1000,
			      .header_octets = 100 };
	struct smtp_rcpt_params params = { .notify = notify };
	struct span rest = span_text(recipients);

	while (rest.len) {
		struct span one = span_first(rest, span_find(rest, ' '));

		envelope_add_recipient(&e, one, &params);
		rest = span_from(rest, one.len + 1);
	}
	return e;
}

static uint64_t add(const char *account, const char *sender, const char *recipients,
		    unsigned notify)
{
	uint64_t qid = ++house.last_id;
	struct envelope e = house_envelope(qid, account, sender, recipients, notify);

	queue_add(house.queue, &e, NULL, 0);
	return qid;
}

uint64_t house_add(const char *account, const char *sender, const char *recipients)
{
	return add(account, sender, recipients, 0);
}

uint64_t house_add_notify(const char *sender, const char *recipients, unsigned notify)
{
	return add("alice", sender, recipients, notify);
}

uint64_t house_add_future(const char *account, int64_t release_ms)
{
	uint64_t qid = ++house.last_id;
	struct envelope e = house_envelope(qid, account, "alice@example.com", "bob@example.net", 0);

	e.release_ms = release_ms;
	queue_add(house.queue, &e, NULL, 0);
	return qid;
}

struct queue_view house_view(uint64_t qid)
{
	struct queue_view view;

	if (!queue_find(house.queue, qid, &view))
		fail_msg("the message is not in the queue");
	return view;
}

bool house_has(uint64_t qid)
{
	struct queue_view view;

	return queue_find(house.queue, qid, &view);
}
