#include "test.h"

#include "pool.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 3, PATIENCE_MS = 30000 };

static void on_tick(struct timer *timer)
{
	struct rig *rig = timer_entry(timer, struct rig, tick);

	rig->has_given_up = loop_now_ms(rig->loop) > rig->give_up_ms;
	if (rig->has_given_up || rig->is_so(rig->user))
		loop_stop(rig->loop);
	else
		timer_set(rig->loop, timer, TICK_MS);
}

void rig_until(struct rig *rig, bool (*is_so)(void *user), void *user)
{
	rig->is_so = is_so;
	rig->user = user;
	rig->tick.fire = on_tick;
	timer_set(rig->loop, &rig->tick, 1);
	rig->give_up_ms = loop_now_ms(rig->loop) + PATIENCE_MS;
	loop_run(rig->loop);
	timer_clear(rig->loop, &rig->tick);
	if (rig->has_given_up)
		fail_msg("what was waited for did not come");
}

void rig_start(struct rig *rig)
{
	*rig = (struct rig){ .loop = loop_new("test"), .lane = lane_new("lookups", 1) };
}

struct relay_smarthost rig_smarthost(const char *name, int port, struct relay_limit *limit)
{
	return (struct relay_smarthost){ .name = name,
					 .host = "127.0.0.1",
					 .port = port,
					 .tls = SMTP_CLIENT_TLS_NONE,
					 .limit = limit,
					 .idle_ms = 60000,
					 .connect_ms = 5000,
					 .pause_first_ms = 20,
					 .pause_most_ms = 100 };
}

struct relay_conf rig_relay_conf(struct rig *rig, const struct relay_smarthost *to, size_t count)
{
	return (struct relay_conf){ .loop = rig->loop,
				    .lookups = rig->lane,
				    .counters = &rig->counters,
				    .ehlo_name = "relay.example.com",
				    .smarthosts = to,
				    .smarthost_count = count };
}

void rig_relay(struct rig *rig, const struct relay_smarthost *to, size_t count)
{
	struct relay_conf conf = rig_relay_conf(rig, to, count);

	rig->relay = relay_new(&conf);
}

void rig_shorten_stall(struct rig *rig, const char *answer)
{
	relay_scale_deadlines(rig->relay, answer == FAKE_STALL ? 2 : 1000);
}

static void on_freed(void *user)
{
	struct rig *rig = user;

	rig->is_freed = true;
}

static bool is_freed(void *user)
{
	const struct rig *rig = user;

	return rig->is_freed;
}

void rig_stop(struct rig *rig)
{
	if (rig->relay) {
		rig->is_freed = false;
		relay_free(rig->relay, 0, on_freed, rig);
		rig_until(rig, is_freed, rig);
	}
	lane_free(&rig->lane);
	loop_free(&rig->loop);
}

/* Jobs */

static int next_part(struct relay_source *source, struct span *part)
{
	struct test_job *job = list_entry(source, struct test_job, source);
	struct span left = span_from(job->content, job->given);

	if (job->is_dry || (job->stops_at && job->given >= job->stops_at))
		return -EAGAIN;
	if (left.len == 0)
		return job->error;
	*part = job->part_octets ? span_first(left, job->part_octets) : left;
	job->given += part->len;
	job->parts++;
	return 1;
}

static void rewind_parts(struct relay_source *source)
{
	struct test_job *job = list_entry(source, struct test_job, source);

	job->given = 0;
	job->rewinds++;
}

static void on_recipient(struct relay_job *relay_job, size_t index, const struct relay_verdict *v)
{
	struct test_job *job = list_entry(relay_job, struct test_job, job);
	struct seen_verdict *seen = &job->verdicts[index];

	assert_true(index < relay_job->message.recipient_count);
	assert_false(job->is_done);
	seen->count++;
	seen->outcome = v->outcome;
	seen->code = v->reply.code;
	seen->is_untried = v->is_untried;
	seen->takes_dsn = v->takes_dsn;
	snprintf(seen->smarthost, sizeof(seen->smarthost), "%s", v->smarthost ? v->smarthost : "");
	snprintf(seen->reason, sizeof(seen->reason), "%s", v->reason ? v->reason : "");
	snprintf(seen->text, sizeof(seen->text), "%.*s", (int)v->reply.text.len,
		 (const char *)v->reply.text.at);
}

static void on_accepted(struct relay_job *relay_job, size_t index, const struct smtp_reply *reply)
{
	struct test_job *job = list_entry(relay_job, struct test_job, job);

	assert_true(index < relay_job->message.recipient_count);
	assert_false(job->is_done);
	assert_int_equal(job->verdicts[index].count, 0);
	assert_int_equal(reply->code / 100, 2);
	job->accepted[index]++;
}

static void on_done(struct relay_job *relay_job)
{
	struct test_job *job = list_entry(relay_job, struct test_job, job);

	assert_false(job->is_done);
	job->is_done = true;
	for (size_t i = 0; i < relay_job->message.recipient_count; i++)
		assert_int_equal(job->verdicts[i].count, 1);
}

void job_init(struct test_job *job, const char *sender, const char *recipients, const char *content)
{
	struct span rest = span_text(recipients);
	size_t n = 0;

	*job = (struct test_job){ .content = span_text(content) };
	while (rest.len) {
		job->recipients[n] = span_first(rest, span_find(rest, ' '));
		rest = span_from(rest, job->recipients[n++].len + 1);
	}
	job->source.next = next_part;
	job->source.rewind = rewind_parts;
	job->job.message.sender = span_text(sender);
	job->job.message.recipients = job->recipients;
	job->job.message.recipient_count = n;
	job->job.message.size = job->content.len;
	job->job.source = &job->source;
	job->job.accepted = on_accepted;
	job->job.recipient = on_recipient;
	job->job.done = on_done;
}

void job_open(struct test_job *job, const char *sender, const char *recipients, const char *content)
{
	job_init(job, sender, recipients, content);
	job->job.message.size = 0;
	job->job.is_open = job->job.is_urgent = true;
}

void job_grow(struct test_job *job, const char *recipient)
{
	size_t n = job->job.message.recipient_count;

	assert_true(n < JOB_RECIPIENTS_MOST);
	job->recipients[n] = span_text(recipient);
	job->job.message.recipient_count++;
	relay_grow(&job->job);
}

void job_content(struct test_job *job)
{
	job->job.message.size = job->content.len;
	relay_content(&job->job);
}

bool job_is_done(void *job)
{
	return ((struct test_job *)job)->is_done;
}
