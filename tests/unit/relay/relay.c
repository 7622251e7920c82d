/* tests/unit/relay/relay.c: jobs against scripted smarthosts on loopback. */
#include "test.h"

#include "pool.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char content[] = "Subject: t\r\n\r\nHello\r\n.dot\r\n..dots\r\n.\r\nend\r\n";

static struct rig rig;
static struct fake fake, other;
static struct relay_limit *limit, *other_limit;
static char dir[64];

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&other, 0, sizeof(other));
	fake.offers = "250-PIPELINING\r\n250-8BITMIME\r\n";
	limit = relay_limit_new(4, 0);
	other_limit = relay_limit_new(4, 0);
	rig_start(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_stop(&rig);
	if (fake.port)
		fake_stop(&fake);
	if (other.port)
		fake_stop(&other);
	/* Every place that was taken was given back. */
	assert_int_equal(limit->hungry, 0);
	assert_int_equal(limit->open, 0);
	assert_int_equal(other_limit->open, 0);
	relay_limit_free(&limit);
	relay_limit_free(&other_limit);
	return 0;
}

static void one_smarthost(void)
{
	struct relay_smarthost to;

	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	rig_relay(&rig, &to, 1);
}

static void send_one(struct test_job *job, const char *recipients)
{
	job_init(job, "alice@example.com", recipients, content);
	relay_send(rig.relay, &job->job);
	rig_until(&rig, job_is_done, job);
}

struct crowd {
	struct test_job *jobs;
	size_t count;
};

static bool all_done(void *user)
{
	const struct crowd *crowd = user;

	for (size_t i = 0; i < crowd->count; i++)
		if (!crowd->jobs[i].is_done)
			return false;
	return true;
}

static void send_crowd(struct test_job *jobs, size_t count)
{
	struct crowd crowd = { jobs, count };

	for (size_t i = 0; i < count; i++) {
		job_init(&jobs[i], "alice@example.com", "bob@example.net", content);
		relay_send(rig.relay, &jobs[i].job);
	}
	rig_until(&rig, all_done, &crowd);
}

static void assert_delivered(const struct test_job *job, size_t i)
{
	if (job->verdicts[i].outcome != RELAY_DELIVERED)
		fail_msg("%d %s / %s", job->verdicts[i].code, job->verdicts[i].text,
			 job->verdicts[i].reason);
	assert_int_equal(job->verdicts[i].code / 100, 2);
}

static void assert_deferred(const struct test_job *job, size_t i, const char *reason)
{
	assert_int_equal(job->verdicts[i].outcome, RELAY_DEFERRED);
	if (!strstr(job->verdicts[i].reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, job->verdicts[i].reason);
}

static bool nothing_is_open(void *user)
{
	return ((struct relay_limit *)user)->open == 0;
}

static bool is_idle(void *user)
{
	struct relay_view view;

	return relay_look(user, 0, &view) && view.idle == 1 && view.busy == 0;
}

static bool is_not_paused(void *user)
{
	struct relay_view view;

	return relay_look(user, 0, &view) && view.paused_ms == 0;
}

/* What arrives, and by which connection */

static void one_message_arrives(void **state)
{
	struct test_job job;
	struct relay_view view;

	(void)state;
	one_smarthost();
	send_one(&job, "bob@example.net carol@example.org");
	assert_delivered(&job, 0);
	assert_delivered(&job, 1);
	assert_string_equal(job.verdicts[0].smarthost, "main");
	assert_int_equal(fake.message_count, 1);
	assert_string_equal(fake.messages[0].sender, "alice@example.com");
	assert_string_equal(fake.messages[0].recipients, "bob@example.net carol@example.org");
	assert_string_equal(fake.messages[0].content, content);
	assert_true(relay_look(rig.relay, 0, &view));
	assert_int_equal(view.idle, 1);
	assert_false(relay_look(rig.relay, 1, &view));
}

/* What is copied and what is not, in turn: dots at a line's start, and long runs without. */
static void long_content_arrives_as_it_is(void **state)
{
	struct buf long_one = { 0 };
	struct test_job job;

	(void)state;
	for (int i = 0; i < 2000; i++)
		buf_printf(&long_one, "%sline %d of a content\r\n", i % 150 < 3 ? "." : "", i);
	buf_put(&long_one, "", 1);
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net",
		 (const char *)buf_span(&long_one).at);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
	assert_string_equal(fake.messages[0].content, (const char *)buf_span(&long_one).at);
	buf_fini(&long_one);
}

static void one_connection_serves_many(void **state)
{
	struct test_job jobs[8];

	(void)state;
	relay_limit_set(limit, 1, 0);
	one_smarthost();
	send_crowd(jobs, 8);
	for (size_t i = 0; i < 8; i++)
		assert_delivered(&jobs[i], 0);
	assert_int_equal(fake.connections, 1);
	assert_int_equal(fake.message_count, 8);
}

static void no_more_connections_than_the_limit(void **state)
{
	struct test_job jobs[40];

	(void)state;
	relay_limit_set(limit, 3, 0);
	one_smarthost();
	send_crowd(jobs, 40);
	assert_true(fake.connections <= 3);
	assert_true(fake.most_open <= 3);
	assert_int_equal(fake.message_count, 40);
}

static void no_more_connections_than_jobs(void **state)
{
	struct test_job jobs[2];

	(void)state;
	relay_limit_set(limit, 50, 0);
	one_smarthost();
	send_crowd(jobs, 2);
	assert_true(fake.connections <= 2);
}

static void connection_ends_after_its_messages(void **state)
{
	struct relay_smarthost to;
	struct test_job jobs[6];

	(void)state;
	relay_limit_set(limit, 1, 0);
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.messages = 2;
	rig_relay(&rig, &to, 1);
	send_crowd(jobs, 6);
	rig_until(&rig, nothing_is_open, limit);
	assert_int_equal(fake.connections, 3);
	assert_int_equal(fake.quits, 3);
	assert_int_equal(fake.message_count, 6);
}

static void idle_connection_is_closed(void **state)
{
	struct relay_smarthost to;
	struct test_job job;

	(void)state;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.idle_ms = 30;
	rig_relay(&rig, &to, 1);
	send_one(&job, "bob@example.net");
	rig_until(&rig, nothing_is_open, limit);
	assert_int_equal(fake.quits, 1);
}

/* Verdicts */

static const char *by_recipient(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strstr(line, "<gone@"))
		return "550-5.1.1 no such\r\n550 5.1.1 person";
	if (strstr(line, "<full@"))
		return "452 4.2.2 mailbox full";
	if (strstr(line, "<many@"))
		return "552 too many recipients";
	if (strstr(line, "<over@"))
		return "552 5.2.2 over quota";
	if (strstr(line, "RCPT TO:<login@"))
		return "530 5.7.0 authentication required";
	return NULL;
}

static void each_recipient_has_its_own_verdict(void **state)
{
	static const struct {
		enum relay_outcome outcome;
		int code;
	} expected[] = { { RELAY_DELIVERED, 250 }, { RELAY_REFUSED, 550 }, { RELAY_DEFERRED, 452 },
			 { RELAY_DEFERRED, 552 },  { RELAY_REFUSED, 552 }, { RELAY_DEFERRED, 530 },
			 { RELAY_DELIVERED, 250 } };
	struct test_job job;

	(void)state;
	fake.answer = by_recipient;
	one_smarthost();
	send_one(&job, "bob@x.net gone@x.net full@x.net many@x.net over@x.net login@x.net c@x.net");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(job.verdicts[i].outcome, expected[i].outcome);
		assert_int_equal(job.verdicts[i].code, expected[i].code);
	}
	assert_string_equal(job.verdicts[1].text, "no such person");
	assert_string_equal(fake.messages[0].recipients, "bob@x.net c@x.net");
	/* The connection is as good as before. */
	send_one(&job, "gone@x.net");
	assert_int_equal(job.verdicts[0].outcome, RELAY_REFUSED);
	send_one(&job, "bob@x.net");
	assert_delivered(&job, 0);
	assert_int_equal(fake.connections, 1);
}

static const char *answer_to;
static const char *answer_with;

static const char *one_answer(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return strncmp(line, answer_to, strlen(answer_to)) == 0 &&
			       (answer_to[0] != '\0' || line[0] == '\0')
		       ? answer_with
		       : NULL;
}

static const struct verdict_case {
	const char *name, *to, *with;
	enum relay_outcome outcome;
	int code;
	const char *reason;
} verdict_cases[] = {
	{ "4xx to MAIL", "MAIL", "451 4.3.0 later", RELAY_DEFERRED, 451, "" },
	{ "5xx to MAIL", "MAIL", "553 5.1.8 bad sender", RELAY_REFUSED, 553, "" },
	{ "no login at MAIL", "MAIL", "530 5.7.0 log in", RELAY_DEFERRED, 530, "" },
	{ "421 to MAIL", "MAIL", "421 4.3.2 going down", RELAY_DEFERRED, 421, "" },
	{ "4xx to DATA", "DATA", "451 4.3.0 later", RELAY_DEFERRED, 451, "" },
	{ "5xx to DATA", "DATA", "554 5.7.1 no", RELAY_REFUSED, 554, "" },
	{ "4xx to the dot", ".", "451 4.3.0 later", RELAY_DEFERRED, 451, "" },
	{ "5xx to the dot", ".", "550 5.7.1 spam", RELAY_REFUSED, 550, "" },
	{ "421 to the dot", ".", "421 4.3.2 going down", RELAY_DEFERRED, 421, "" },
	{ "3xx to the dot", ".", "354 more", RELAY_DEFERRED, 354, "" },
	{ "close at MAIL", "MAIL", FAKE_CLOSE, RELAY_DEFERRED, 0, "reply to MAIL" },
	{ "reset at RCPT", "RCPT", FAKE_RESET, RELAY_DEFERRED, 0, "" },
	{ "close at DATA", "DATA", FAKE_CLOSE, RELAY_DEFERRED, 0, "reply to DATA" },
	{ "close within the content", "(body)", FAKE_CLOSE, RELAY_DEFERRED, 0, "" },
	{ "reset within the content", "(body)", FAKE_RESET, RELAY_DEFERRED, 0, "" },
	{ "close at the dot", ".", FAKE_CLOSE, RELAY_DEFERRED, 0, "may have been taken" },
	{ "reset at the dot", ".", FAKE_RESET, RELAY_DEFERRED, 0, "may have been taken" },
	{ "garbage at RCPT", "RCPT", "what?", RELAY_DEFERRED, 0, "no SMTP reply" },
	{ "999 at MAIL", "MAIL", "999 no", RELAY_DEFERRED, 0, "no SMTP reply" },
	{ "two codes in a reply", "MAIL", "250-a\r\n550 b", RELAY_DEFERRED, 0, "no SMTP reply" },
	{ "words before the content", "DATA", "354 go on\r\n550 stop", RELAY_DEFERRED, 550,
	  "nobody asked" },
	{ "escapes are tamed", "MAIL", "451 \x1b[31mred", RELAY_DEFERRED, 451, "" },
	{ "stall at MAIL", "MAIL", FAKE_STALL, RELAY_DEFERRED, 0, "no answer within 300 s" },
	{ "stall at DATA", "DATA", FAKE_STALL, RELAY_DEFERRED, 0, "no answer within 120 s" },
	{ "stall at the dot", ".", FAKE_STALL, RELAY_DEFERRED, 0, "may have been taken" },
};

static void check_verdict(const struct verdict_case *c)
{
	struct test_job job;

	set_up(NULL);
	answer_to = c->to;
	answer_with = c->with;
	fake.answer = one_answer;
	one_smarthost();
	rig_shorten_stall(&rig, c->with);
	send_one(&job, "bob@example.net");
	if (job.verdicts[0].outcome != c->outcome || job.verdicts[0].code != c->code ||
	    !strstr(job.verdicts[0].reason, c->reason) || strchr(job.verdicts[0].text, '\x1b'))
		fail_msg("%s: outcome %d, %d \"%s\", \"%s\"", c->name, job.verdicts[0].outcome,
			 job.verdicts[0].code, job.verdicts[0].text, job.verdicts[0].reason);
	tear_down(NULL);
}

static void every_reply_makes_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(verdict_cases) / sizeof(verdict_cases[0]); i++)
		check_verdict(&verdict_cases[i]);
}

/* Set-up that fails */

static const struct verdict_case setup_cases[] = {
	{ "4xx greeting", "", "421 4.3.2 too busy", 0, 0,
	  "refused while waiting for the greeting" },
	{ "5xx greeting", "", "554 5.7.1 not you", 0, 0, "554 5.7.1 not you" },
	{ "garbage greeting", "", "SSH-2.0", 0, 0, "no SMTP reply" },
	{ "closed greeting", "", FAKE_CLOSE, 0, 0, "waiting for the greeting" },
	{ "stalled greeting", "", FAKE_STALL, 0, 0, "no answer within 300 s" },
	{ "refused EHLO", "EHLO", "450 later", 0, 0, "450 later" },
	{ "stalled EHLO", "EHLO", FAKE_STALL, 0, 0, "reply to EHLO" },
};

static void a_failing_set_up_defers_with_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(setup_cases) / sizeof(setup_cases[0]); i++) {
		struct test_job job;
		struct relay_view view;

		set_up(NULL);
		answer_to = setup_cases[i].to;
		answer_with = setup_cases[i].with;
		fake.answer = one_answer;
		one_smarthost();
		rig_shorten_stall(&rig, setup_cases[i].with);
		send_one(&job, "bob@example.net carol@example.net");
		assert_deferred(&job, 0, setup_cases[i].reason);
		assert_deferred(&job, 1, setup_cases[i].reason);
		assert_deferred(&job, 1, "127.0.0.1:");
		assert_string_equal(job.verdicts[0].smarthost, "");
		assert_true(relay_look(rig.relay, 0, &view));
		assert_non_null(view.reason);
		assert_int_equal(fake.message_count, 0);
		tear_down(NULL);
	}
}

static void all_down_says_why_for_each(void **state)
{
	struct relay_smarthost to[2];
	struct test_job job;
	char port[16];

	(void)state;
	to[0] = rig_smarthost("first", fake_closed_port(), limit);
	to[1] = rig_smarthost("second", fake_closed_port(), other_limit);
	rig_relay(&rig, to, 2);
	send_one(&job, "bob@example.net");
	snprintf(port, sizeof(port), "%d", to[0].port);
	assert_deferred(&job, 0, port);
	snprintf(port, sizeof(port), "%d", to[1].port);
	assert_deferred(&job, 0, port);
	assert_deferred(&job, 0, "refused");
	assert_int_equal(limit->open, 0);
}

static void pauses_grow_to_the_most(void **state)
{
	static const int64_t expected[] = { 50, 100, 200, 400, 400 };
	struct relay_smarthost to;
	struct relay_conf conf;
	struct relay_view view;
	struct test_job job;

	(void)state;
	to = rig_smarthost("dead", fake_closed_port(), limit);
	to.pause_first_ms = 50;
	to.pause_most_ms = 400;
	conf = rig_relay_conf(&rig, &to, 1);
	rig.relay = relay_new(&conf);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		send_one(&job, "bob@example.net");
		assert_true(relay_look(rig.relay, 0, &view));
		assert_true(view.paused_ms <= expected[i]);
		if (i >= 3)
			assert_true(view.paused_ms > 100);
		rig_until(&rig, is_not_paused, rig.relay);
	}
}

/* An administrator who asks again and again, and mends it meanwhile. */
static void hurry_makes_no_pause_longer(void **state)
{
	struct relay_smarthost to;
	struct relay_conf conf;
	struct relay_view view;
	struct test_job job;

	(void)state;
	to = rig_smarthost("dead", fake_closed_port(), limit);
	to.pause_first_ms = 300;
	to.pause_most_ms = 60 * 1000;
	conf = rig_relay_conf(&rig, &to, 1);
	rig.relay = relay_new(&conf);
	for (size_t i = 0; i < 12; i++) {
		send_one(&job, "bob@example.net");
		assert_true(relay_look(rig.relay, 0, &view));
		assert_true(view.paused_ms <= 300);
		relay_hurry(rig.relay);
	}
	/* Left to itself it is given more time again. */
	send_one(&job, "bob@example.net");
	rig_until(&rig, is_not_paused, rig.relay);
	send_one(&job, "bob@example.net");
	assert_true(relay_look(rig.relay, 0, &view));
	assert_true(view.paused_ms > 300 && view.paused_ms <= 600);
}

static void no_smarthost_at_all(void **state)
{
	struct test_job job;

	(void)state;
	rig_relay(&rig, NULL, 0);
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "no smarthost is configured");
}

/* One goes down, another takes over, the first comes back */

static atomic_bool is_down;

static const char *while_down(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return line[0] == '\0' && is_down ? "554 5.3.2 closed for repair" : NULL;
}

static void fails_over_and_comes_back(void **state)
{
	struct relay_smarthost to[2];
	struct test_job job;

	(void)state;
	is_down = true;
	fake.answer = while_down;
	fake_start(&fake);
	fake_start(&other);
	to[0] = rig_smarthost("first", fake.port, limit);
	to[1] = rig_smarthost("second", other.port, other_limit);
	rig_relay(&rig, to, 2);
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	assert_string_equal(job.verdicts[0].smarthost, "second");
	is_down = false;
	rig_until(&rig, is_not_paused, rig.relay);
	/* This one need not wait for the probe that it sets off; the next one profits. */
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	rig_until(&rig, is_idle, rig.relay);
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	assert_string_equal(job.verdicts[0].smarthost, "first");
}

static void one_probe_at_a_time(void **state)
{
	struct relay_smarthost to[2];
	struct test_job job;
	struct test_job jobs[30];
	unsigned before;

	(void)state;
	is_down = true;
	fake.answer = while_down;
	relay_limit_set(limit, 30, 0);
	fake_start(&fake);
	fake_start(&other);
	to[0] = rig_smarthost("first", fake.port, limit);
	to[1] = rig_smarthost("second", other.port, other_limit);
	rig_relay(&rig, to, 2);
	send_one(&job, "bob@example.net");
	before = fake.connections;
	fake.most_open = 0;
	for (int i = 0; i < 20; i++)
		send_crowd(jobs, 4);
	assert_true(fake.most_open <= 1);
	assert_true(fake.connections - before <= 20);
	assert_int_equal(other.message_count, 81);
}

/* Kept connections that died */

static atomic_int deaths;

static const char *dies_at_second(const struct fake_talk *talk, const char *line)
{
	return strncmp(line, "MAIL", 4) == 0 && talk->messages == 2 && deaths-- > 0 ? answer_with
										    : NULL;
}

static void death_on_reuse_is_silent(void **state)
{
	static const char *const ways[] = { "close", "reset", "421" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct test_job job;

		set_up(NULL);
		deaths = 1;
		answer_with = i == 0 ? FAKE_CLOSE : i == 1 ? FAKE_RESET : "421 4.4.2 idle too long";
		fake.answer = dies_at_second;
		one_smarthost();
		send_one(&job, "bob@example.net");
		send_one(&job, "bob@example.net");
		if (job.verdicts[0].outcome != RELAY_DELIVERED)
			fail_msg("%s: %s", ways[i], job.verdicts[0].reason);
		assert_int_equal(fake.connections, 2);
		assert_int_equal(fake.message_count, 2);
		tear_down(NULL);
	}
}

static const char *dies_at_mail(const struct fake_talk *talk, const char *line)
{
	return strncmp(line, "MAIL", 4) == 0 && (talk->connection > 1 || talk->messages > 1)
		       ? FAKE_CLOSE
		       : NULL;
}

static void death_is_repeated_once_only(void **state)
{
	struct test_job job;

	(void)state;
	fake.answer = dies_at_mail;
	one_smarthost();
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "reply to MAIL");
	assert_int_equal(fake.connections, 2);
}

static const char *says_goodbye_idle(const struct fake_talk *talk, const char *line)
{
	return strcmp(line, ".") == 0 && talk->connection == 1
		       ? "250 2.0.0 taken\r\n421 4.4.2 goodbye"
		       : NULL;
}

static void words_to_an_idle_connection_close_it(void **state)
{
	struct test_job job;

	(void)state;
	fake.answer = says_goodbye_idle;
	one_smarthost();
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	rig_until(&rig, nothing_is_open, limit);
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	assert_int_equal(fake.connections, 2);
}

/* Content */

static void content_that_fails_is_never_sent_whole(void **state)
{
	struct test_job job;

	(void)state;
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net", content);
	job.part_octets = 5;
	job.error = -EIO;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
	assert_deferred(&job, 0, "cannot be read");
	rig_until(&rig, nothing_is_open, limit);
	assert_int_equal(fake.message_count, 0);
}

static bool body_has_begun(void *user)
{
	(void)user;
	return fake.starts_of_body == 1;
}

static void dry_source_is_waited_for(void **state)
{
	struct test_job job;

	(void)state;
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net", content);
	job.is_dry = true;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, body_has_begun, NULL);
	assert_false(job.is_done);
	job.is_dry = false;
	relay_more(&job.job);
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
	assert_string_equal(fake.messages[0].content, content);
	relay_more(&job.job); /* too late: nothing */
}

static atomic_bool may_go_on;

static char *large_text(size_t octets)
{
	char *text = malloc(octets + 1);

	for (size_t i = 0; i < octets; i++)
		text[i] = (char)('a' + i % 26);
	for (size_t i = 78; i + 2 < octets; i += 80) {
		text[i] = '\r';
		text[i + 1] = '\n';
		text[i + 2] = '.';
	}
	text[octets - 2] = '\r';
	text[octets - 1] = '\n';
	text[octets] = '\0';
	return text;
}

static void large_content_arrives_whole(void **state)
{
	const size_t octets = 5 * 1024 * 1024;
	char *text = large_text(octets);
	struct test_job job;

	(void)state;
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net", text);
	job.part_octets = 200000;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
	assert_int_equal(fake.messages[0].octets, octets);
	assert_memory_equal(fake.messages[0].content, text, octets);
	free(text);
}

static const char *reads_late(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (strcmp(line, "(body)") == 0 && !may_go_on)
		usleep(1000);
	return NULL;
}

static bool is_held_back(void *user)
{
	static size_t given;
	static int same;
	const struct test_job *job = user;

	same = job->given && job->given == given ? same + 1 : 0;
	given = job->given;
	return same == 20;
}

/* The peer reads nothing: no more is asked of the source than fits the buffers, of which the
 * kernel's hold some MiB. */
static void slow_peer_holds_the_source_back(void **state)
{
	const size_t octets = 32 * 1024 * 1024;
	char *text = large_text(octets);
	struct test_job job;

	(void)state;
	may_go_on = false;
	fake.answer = reads_late;
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net", text);
	job.part_octets = 65536;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_held_back, &job);
	assert_false(job.is_done);
	assert_true(job.given < octets / 2);
	may_go_on = true;
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
	assert_int_equal(fake.messages[0].octets, octets);
	free(text);
}

/* TLS */

static void tls_case(enum fake_tls fake_tls, enum smtp_client_tls tls, const char *cert,
		     bool is_trusted, struct test_job *job)
{
	static char chain[128], key[128], ca[128];
	struct relay_smarthost to;
	struct fault fault;

	snprintf(chain, sizeof(chain), "%s/%s.pem", dir, cert);
	snprintf(key, sizeof(key), "%s/%s.key", dir, cert);
	snprintf(ca, sizeof(ca), "%s/%s.pem", dir, is_trusted ? cert : "stranger");
	fake.tls = fake_tls;
	fake.chain = chain;
	fake.key = key;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.tls = tls;
	to.trust = tls_trust_load(ca, &fault);
	assert_non_null(to.trust);
	rig_relay(&rig, &to, 1);
	tls_trust_unref(&to.trust);
	send_one(job, "bob@example.net");
}

static void tls_delivers(void **state)
{
	struct test_job job;

	(void)state;
	tls_case(FAKE_STARTTLS, SMTP_CLIENT_TLS_STARTTLS, "good", true, &job);
	assert_delivered(&job, 0);
	assert_string_equal(fake.messages[0].content, content);
	tear_down(NULL);
	set_up(NULL);
	tls_case(FAKE_IMPLICIT, SMTP_CLIENT_TLS_IMPLICIT, "good", true, &job);
	assert_delivered(&job, 0);
}

static const char *never_mail(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strncmp(line, "MAIL", 4) == 0 || strncmp(line, "AUTH", 4) == 0)
		abort();
	return NULL;
}

static void untrusted_certificate_is_refused(void **state)
{
	static const struct {
		enum fake_tls fake_tls;
		enum smtp_client_tls tls;
		const char *cert;
		bool is_trusted;
	} cases[] = {
		{ FAKE_STARTTLS, SMTP_CLIENT_TLS_STARTTLS, "good", false },
		{ FAKE_IMPLICIT, SMTP_CLIENT_TLS_IMPLICIT, "good", false },
		{ FAKE_STARTTLS, SMTP_CLIENT_TLS_STARTTLS, "wrong-name", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_job job;

		set_up(NULL);
		fake.answer = never_mail;
		tls_case(cases[i].fake_tls, cases[i].tls, cases[i].cert, cases[i].is_trusted, &job);
		assert_deferred(&job, 0, "certificate of 127.0.0.1 does not verify");
		assert_int_equal(fake.message_count, 0);
		tear_down(NULL);
	}
}

static void no_starttls_no_mail(void **state)
{
	struct relay_smarthost to;
	struct test_job job;

	(void)state;
	fake.answer = never_mail;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.tls = SMTP_CLIENT_TLS_STARTTLS;
	rig_relay(&rig, &to, 1);
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "does not offer STARTTLS");
}

static const char *injects(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return strcmp(line, "STARTTLS") == 0 ? "220 ok\r\n250-AUTH PLAIN\r\n250 x" : NULL;
}

static void octets_behind_starttls_end_it(void **state)
{
	struct relay_smarthost to;
	struct test_job job;

	(void)state;
	fake.answer = injects;
	fake.tls = FAKE_STARTTLS;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.tls = SMTP_CLIENT_TLS_STARTTLS;
	rig_relay(&rig, &to, 1);
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "plain text");
	assert_int_equal(fake.message_count, 0);
}

/* Logins */

struct relay_login {
	struct work work;
	void *attempt;
	bool is_first;
	char offered[64];
	struct span response;
	const char *trouble;
};

static unsigned logins_open;
static const char *login_trouble;

static void reply_to_login(struct work *work)
{
	struct relay_login *login = work_entry(work, struct relay_login, work);
	struct fault fault;

	if (login->trouble) {
		fault_set(&fault, -ENOENT, "%s", login->trouble);
		relay_login_reply(login->attempt, NULL, NULL, &fault);
	} else {
		relay_login_reply(login->attempt, login->is_first ? "LOGIN" : NULL,
				  login->is_first ? NULL : &login->response, NULL);
	}
}

static struct relay_login *start_login(void *user, const struct relay_login_start *from,
				       void *attempt)
{
	struct relay_login *login = calloc(1, sizeof(*login));

	assert_string_equal(from->smarthost->user, "relay");
	assert_span_text(from->smarthost->password, "secret");
	assert_null(from->smarthost->keytab);
	assert_null(from->binding);
	snprintf(login->offered, sizeof(login->offered), "%s", from->offered);
	login->attempt = attempt;
	login->is_first = true;
	login->trouble = login_trouble;
	login->work.run = reply_to_login;
	logins_open++;
	loop_post(user, &login->work);
	return login;
}

static void challenge_login(struct relay_login *login, struct span octets)
{
	login->is_first = false;
	login->response = span_text(octets.len && octets.at[0] == 'U' ? "relay" : "secret");
	loop_post(rig.loop, &login->work);
}

static bool is_login_complete(const struct relay_login *login)
{
	return !login->is_first && span_eq(login->response, span_text("secret"));
}

static void end_login(struct relay_login **login)
{
	logins_open--;
	free(*login);
	*login = NULL;
}

static atomic_bool is_logged_in;

static const char *asks_login(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strcmp(line, "AUTH LOGIN") == 0)
		return "334 VXNlcm5hbWU6";
	if (strcmp(line, "cmVsYXk=") == 0)
		return "334 UGFzc3dvcmQ6";
	if (strcmp(line, "c2VjcmV0") == 0) {
		is_logged_in = answer_with == NULL;
		return answer_with ? answer_with : "235 2.7.0 welcome";
	}
	if (strncmp(line, "MAIL", 4) == 0 && !is_logged_in)
		return "530 5.7.0 log in";
	return NULL;
}

static void login_relay_with(const char *(*answer)(const struct fake_talk *talk, const char *line))
{
	struct relay_smarthost to;
	struct relay_conf conf;

	fake.offers = "250-AUTH PLAIN LOGIN\r\n";
	fake.answer = answer;
	is_logged_in = false;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.user = "relay";
	to.password = span_text("secret");
	conf = rig_relay_conf(&rig, &to, 1);
	conf.login = (struct relay_login_ops){ .start = start_login,
					       .challenge = challenge_login,
					       .is_complete = is_login_complete,
					       .end = end_login,
					       .user = rig.loop };
	rig.relay = relay_new(&conf);
}

static void login_relay(void)
{
	login_relay_with(asks_login);
}

static bool no_login_is_open(void *user)
{
	(void)user;
	return logins_open == 0;
}

/* A login ends with its connection, and that closes after the job has heard. */
static void assert_logins_end(void)
{
	rig_until(&rig, no_login_is_open, NULL);
}

static void logs_in_once_for_many_messages(void **state)
{
	struct test_job job;

	(void)state;
	answer_with = NULL;
	login_trouble = NULL;
	login_relay();
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	send_one(&job, "bob@example.net");
	assert_delivered(&job, 0);
	assert_int_equal(fake.connections, 1);
	assert_logins_end();
}

static void wrong_password_waits(void **state)
{
	struct test_job job;

	(void)state;
	answer_with = "535 5.7.8 wrong";
	login_trouble = NULL;
	login_relay();
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "535 5.7.8 wrong");
	assert_logins_end();
}

static const char *welcomes_at_once(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strcmp(line, "AUTH LOGIN") == 0)
		return "334 VXNlcm5hbWU6";
	return strcmp(line, "cmVsYXk=") == 0 ? "235 2.7.0 welcome" : NULL;
}

static void welcome_before_the_proof_is_not_believed(void **state)
{
	struct test_job job;

	(void)state;
	answer_with = NULL;
	login_trouble = NULL;
	login_relay_with(welcomes_at_once);
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "before it proved who it is");
	assert_int_equal(fake.message_count, 0);
	assert_logins_end();
}

static void no_mechanism_fits(void **state)
{
	struct test_job job;

	(void)state;
	login_trouble = "of PLAIN LOGIN none can be used";
	login_relay();
	send_one(&job, "bob@example.net");
	assert_deferred(&job, 0, "of PLAIN LOGIN none can be used");
	assert_logins_end();
	login_trouble = NULL;
}

/* Places shared with other loops */

static bool is_hungry(void *user)
{
	(void)user;
	return limit->hungry == 1;
}

static void waits_for_a_place_of_another_loop(void **state)
{
	struct test_job job;

	(void)state;
	relay_limit_set(limit, 1, 0);
	limit->open = 1;
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net", content);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_hungry, NULL);
	assert_int_equal(relay_waiting(rig.relay), 1);
	assert_false(job.is_done);
	limit->open--;
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
}

static bool is_freed;

static void on_freed(void *user)
{
	(void)user;
	is_freed = true;
}

static bool was_freed(void *user)
{
	(void)user;
	return is_freed;
}

static void idle_connection_makes_room_for_another_loop(void **state)
{
	struct relay_smarthost to;
	struct relay_conf conf;
	struct relay *second;
	struct test_job job;

	(void)state;
	relay_limit_set(limit, 1, 0);
	one_smarthost();
	to = rig_smarthost("main", fake.port, limit);
	conf = rig_relay_conf(&rig, &to, 1);
	second = relay_new(&conf);
	send_one(&job, "bob@example.net");
	job_init(&job, "alice@example.com", "carol@example.net", content);
	relay_send(second, &job.job);
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
	assert_int_equal(fake.connections, 2);
	assert_true(fake.most_open <= 1);
	is_freed = false;
	relay_free(second, 0, on_freed, NULL);
	rig_until(&rig, was_freed, NULL);
}

/* One loop has work without end; the other one comes to its turn all the same. */
static void busy_connection_makes_room_for_another_loop(void **state)
{
	static struct test_job jobs[200];
	struct crowd crowd = { jobs, 200 };
	struct relay_smarthost to;
	struct relay_conf conf;
	struct relay *second;
	struct test_job job;

	(void)state;
	relay_limit_set(limit, 1, 0);
	one_smarthost();
	to = rig_smarthost("main", fake.port, limit);
	conf = rig_relay_conf(&rig, &to, 1);
	second = relay_new(&conf);
	for (size_t i = 0; i < crowd.count; i++) {
		job_init(&jobs[i], "alice@example.com", "bob@example.net", content);
		relay_send(rig.relay, &jobs[i].job);
	}
	job_init(&job, "alice@example.com", "carol@example.net", content);
	relay_send(second, &job.job);
	rig_until(&rig, job_is_done, &job);
	assert_delivered(&job, 0);
	assert_false(all_done(&crowd));
	rig_until(&rig, all_done, &crowd);
	assert_true(fake.most_open <= 1);
	is_freed = false;
	relay_free(second, 0, on_freed, NULL);
	rig_until(&rig, was_freed, NULL);
}

/* Stopping and renewing */

static const char *waits_at_dot(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (strcmp(line, ".") == 0 && !may_go_on)
		usleep(1000);
	return NULL;
}

static void stop_lets_a_message_finish(void **state)
{
	struct test_job under_way, waiting;

	(void)state;
	may_go_on = false;
	relay_limit_set(limit, 1, 0);
	fake.answer = waits_at_dot;
	one_smarthost();
	job_init(&under_way, "alice@example.com", "bob@example.net", content);
	relay_send(rig.relay, &under_way.job);
	rig_until(&rig, body_has_begun, NULL);
	job_init(&waiting, "alice@example.com", "carol@example.net", content);
	relay_send(rig.relay, &waiting.job);
	is_freed = false;
	relay_free(rig.relay, 20000, on_freed, NULL);
	rig.relay = NULL;
	rig_until(&rig, job_is_done, &waiting);
	assert_deferred(&waiting, 0, "being stopped");
	assert_false(under_way.is_done);
	may_go_on = true;
	rig_until(&rig, was_freed, NULL);
	assert_delivered(&under_way, 0);
	assert_int_equal(limit->open, 0);
}

static void stop_out_of_patience_defers(void **state)
{
	struct test_job job;

	(void)state;
	answer_to = ".";
	answer_with = FAKE_STALL;
	fake.answer = one_answer;
	one_smarthost();
	job_init(&job, "alice@example.com", "bob@example.net", content);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, body_has_begun, NULL);
	is_freed = false;
	relay_free(rig.relay, 20, on_freed, NULL);
	rig.relay = NULL;
	rig_until(&rig, was_freed, NULL);
	assert_true(job.is_done);
	assert_deferred(&job, 0, "being stopped");
	assert_int_equal(limit->open, 0);
}

static void renewal_changes_the_way(void **state)
{
	struct relay_smarthost to;
	struct test_job job;
	struct relay_view view;

	(void)state;
	one_smarthost();
	fake_start(&other);
	send_one(&job, "bob@example.net");
	to = rig_smarthost("new", other.port, other_limit);
	relay_renew(rig.relay, &to, 1, "new.example.com");
	rig_until(&rig, nothing_is_open, limit);
	send_one(&job, "bob@example.net");
	assert_string_equal(job.verdicts[0].smarthost, "new");
	assert_int_equal(other.message_count, 1);
	assert_true(relay_look(rig.relay, 0, &view));
	assert_string_equal(view.name, "new");
}

static int make_certificates(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/relay-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	fake_certificate(dir, "good", "127.0.0.1");
	fake_certificate(dir, "wrong-name", "smtp.example.net");
	fake_certificate(dir, "stranger", "127.0.0.1");
	return 0;
}

static int remove_certificates(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_message_arrives),
		TEST(long_content_arrives_as_it_is),
		TEST(one_connection_serves_many),
		TEST(no_more_connections_than_the_limit),
		TEST(no_more_connections_than_jobs),
		TEST(connection_ends_after_its_messages),
		TEST(idle_connection_is_closed),
		TEST(each_recipient_has_its_own_verdict),
		cmocka_unit_test(every_reply_makes_its_verdict),
		cmocka_unit_test(a_failing_set_up_defers_with_its_reason),
		TEST(all_down_says_why_for_each),
		TEST(pauses_grow_to_the_most),
		TEST(hurry_makes_no_pause_longer),
		TEST(no_smarthost_at_all),
		TEST(fails_over_and_comes_back),
		TEST(one_probe_at_a_time),
		cmocka_unit_test(death_on_reuse_is_silent),
		TEST(death_is_repeated_once_only),
		TEST(words_to_an_idle_connection_close_it),
		TEST(content_that_fails_is_never_sent_whole),
		TEST(dry_source_is_waited_for),
		TEST(large_content_arrives_whole),
		TEST(slow_peer_holds_the_source_back),
		TEST(tls_delivers),
		cmocka_unit_test(untrusted_certificate_is_refused),
		TEST(no_starttls_no_mail),
		TEST(octets_behind_starttls_end_it),
		TEST(logs_in_once_for_many_messages),
		TEST(wrong_password_waits),
		TEST(no_mechanism_fits),
		TEST(welcome_before_the_proof_is_not_believed),
		TEST(waits_for_a_place_of_another_loop),
		TEST(idle_connection_makes_room_for_another_loop),
		TEST(busy_connection_makes_room_for_another_loop),
		TEST(stop_lets_a_message_finish),
		TEST(stop_out_of_patience_defers),
		TEST(renewal_changes_the_way),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
