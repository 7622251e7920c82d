/* tests/unit/relay/open.c: jobs whose recipients and content come step by step. */
#include "test.h"

#include "pool.h"
#include "rig.h"

#include <stdio.h>
#include <string.h>

static const char content[] = "Subject: t\r\n\r\nHello\r\n.dot\r\n";
static const char pipelining[] = "250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n";

static struct rig rig;
static struct fake fake;
static struct relay_limit *limit;
static struct test_job job;

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.offers = pipelining;
	limit = relay_limit_new(2, 10);
	rig_start(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_stop(&rig);
	fake_stop(&fake);
	assert_int_equal(limit->hungry, 0);
	assert_int_equal(limit->open, 0);
	relay_limit_free(&limit);
	return 0;
}

static void one_smarthost(fake_answer *answer)
{
	struct relay_smarthost to;

	fake.answer = answer;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	rig_relay(&rig, &to, 1);
}

static void send_whole(struct test_job *whole)
{
	job_init(whole, "alice@example.com", "bob@example.net", content);
	relay_send(rig.relay, &whole->job);
	rig_until(&rig, job_is_done, whole);
}

static void begin(const char *recipients)
{
	job_open(&job, "alice@example.com", recipients, content);
	relay_send(rig.relay, &job.job);
}

/* Every recipient has been accepted at least once, or has its verdict. */
static bool is_answered(void *user)
{
	(void)user;
	for (size_t i = 0; i < job.job.message.recipient_count; i++)
		if (!job.accepted[i] && !job.verdicts[i].count)
			return false;
	return true;
}

static void finish(void)
{
	job_content(&job);
	rig_until(&rig, job_is_done, &job);
}

static void assert_outcome(size_t i, enum relay_outcome outcome, int code)
{
	if (job.verdicts[i].outcome != outcome || job.verdicts[i].code != code)
		fail_msg("%zu: outcome %d, %d %s / %s", i, job.verdicts[i].outcome,
			 job.verdicts[i].code, job.verdicts[i].text, job.verdicts[i].reason);
}

static bool all_closed(void *user)
{
	(void)user;
	return limit->open == 0;
}

static const char *by_recipient(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strstr(line, "TO:<gone@"))
		return "550 5.1.1 no such person";
	if (strstr(line, "TO:<full@"))
		return "452 4.2.2 mailbox full";
	return NULL;
}

static void step_by_step(void)
{
	one_smarthost(by_recipient);
	begin("bob@x.net");
	rig_until(&rig, is_answered, NULL);
	assert_int_equal(job.accepted[0], 1);
	job_grow(&job, "gone@x.net");
	job_grow(&job, "full@x.net");
	job_grow(&job, "carol@x.net");
	assert_int_equal(job.verdicts[1].count, 0);
	rig_until(&rig, is_answered, NULL);
	assert_outcome(1, RELAY_REFUSED, 550);
	assert_outcome(2, RELAY_DEFERRED, 452);
	assert_int_equal(job.accepted[1], 0);
	assert_int_equal(job.parts, 0);
	assert_int_equal(fake.starts_of_body, 0);
	finish();
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_outcome(3, RELAY_DELIVERED, 250);
	assert_string_equal(fake.messages[0].recipients, "bob@x.net carol@x.net");
	assert_string_equal(fake.messages[0].content, content);
	assert_int_equal(fake.message_count, 1);
	assert_int_equal(limit_messages(limit, loop_now_ms(rig.loop)), 9);
}

static void recipients_come_one_by_one(void **state)
{
	(void)state;
	step_by_step();
	assert_true(job.verdicts[0].takes_dsn);
	tear_down(NULL);
	set_up(NULL);
	fake.offers = NULL;
	step_by_step();
	assert_false(job.verdicts[0].takes_dsn);
}

static void all_at_once_before_anybody_answers(void **state)
{
	(void)state;
	one_smarthost(by_recipient);
	begin("");
	job_grow(&job, "gone@x.net");
	job_grow(&job, "bob@x.net");
	finish();
	assert_outcome(0, RELAY_REFUSED, 550);
	assert_outcome(1, RELAY_DELIVERED, 250);
}

static void nobody_accepted_needs_no_content(void **state)
{
	struct test_job whole;

	(void)state;
	one_smarthost(by_recipient);
	begin("gone@x.net");
	rig_until(&rig, is_answered, NULL);
	assert_false(job.is_done);
	finish();
	assert_int_equal(job.parts, 0);
	send_whole(&whole);
	assert_int_equal(fake.connections, 1);
}

/* Whatever the smarthost does, at whatever point */

static const char *answer_to, *answer_with;

static const char *one_answer(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return strncmp(line, answer_to, strlen(answer_to)) == 0 ? answer_with : NULL;
}

static const struct fault_case {
	const char *name, *to, *with;
	enum relay_outcome outcome;
	int code;
	const char *reason;
	bool is_early; /* done() comes while the job is open */
} fault_cases[] = {
	{ "4xx to MAIL", "MAIL", "451 4.3.0 later", RELAY_DEFERRED, 451, "", true },
	{ "5xx to MAIL", "MAIL", "553 5.1.8 bad sender", RELAY_REFUSED, 553, "", true },
	{ "421 to MAIL", "MAIL", "421 4.3.2 going down", RELAY_DEFERRED, 421, "", true },
	{ "421 to RCPT", "RCPT", "421 4.3.2 going down", RELAY_DEFERRED, 421, "", true },
	{ "421 to DATA", "DATA", "421 4.3.2 down", RELAY_DEFERRED, 0, "reply to MAIL", false },
	{ "421 to the dot", ".", "421 4.3.2 going down", RELAY_DEFERRED, 421, "", false },
	{ "5xx to the dot", ".", "550 5.7.1 spam", RELAY_REFUSED, 550, "", false },
	{ "4xx to DATA", "DATA", "451 4.3.0 later", RELAY_DEFERRED, 451, "", false },
	{ "close at MAIL", "MAIL", FAKE_CLOSE, RELAY_DEFERRED, 0, "reply to MAIL", true },
	{ "reset at RCPT", "RCPT", FAKE_RESET, RELAY_DEFERRED, 0, "", true },
	{ "garbage at MAIL", "MAIL", "what?", RELAY_DEFERRED, 0, "no SMTP reply", true },
	{ "garbage at RCPT", "RCPT", "what?", RELAY_DEFERRED, 0, "no SMTP reply", true },
	{ "garbage at DATA", "DATA", "what?", RELAY_DEFERRED, 0, "no SMTP reply", false },
	{ "garbage at the dot", ".", "what?", RELAY_DEFERRED, 0, "no SMTP reply", false },
	{ "close within the content", "(body)", FAKE_CLOSE, RELAY_DEFERRED, 0, "", false },
	{ "close at the dot", ".", FAKE_CLOSE, RELAY_DEFERRED, 0, "may have been taken", false },
	{ "reset at the dot", ".", FAKE_RESET, RELAY_DEFERRED, 0, "may have been taken", false },
	{ "stall at MAIL", "MAIL", FAKE_STALL, RELAY_DEFERRED, 0, "no answer within 300 s", true },
	{ "stall at RCPT", "RCPT", FAKE_STALL, RELAY_DEFERRED, 0, "no answer within 300 s", true },
	{ "stall at DATA", "DATA", FAKE_STALL, RELAY_DEFERRED, 0, "no answer within 120 s", false },
	{ "stall at the dot", ".", FAKE_STALL, RELAY_DEFERRED, 0, "may have been taken", false },
};

static bool is_answered_or_done(void *user)
{
	return job.is_done || is_answered(user);
}

static void check_fault(const struct fault_case *c)
{
	set_up(NULL);
	answer_to = c->to;
	answer_with = c->with;
	one_smarthost(one_answer);
	rig_shorten_stall(&rig, c->with);
	begin("bob@example.net");
	rig_until(&rig, c->is_early ? job_is_done : is_answered, &job);
	if (!c->is_early)
		finish();
	else
		job_content(&job); /* too late: nothing */
	if (job.verdicts[0].outcome != c->outcome ||
	    (strcmp(c->name, "421 to DATA") != 0 &&
	     (job.verdicts[0].code != c->code || !strstr(job.verdicts[0].reason, c->reason))))
		fail_msg("%s: outcome %d, %d \"%s\", \"%s\"", c->name, job.verdicts[0].outcome,
			 job.verdicts[0].code, job.verdicts[0].text, job.verdicts[0].reason);
	assert_int_equal(fake.message_count, 0);
	assert_false(job.verdicts[0].is_untried);
	tear_down(NULL);
}

static void every_fault_makes_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fault_cases) / sizeof(fault_cases[0]); i++)
		check_fault(&fault_cases[i]);
}

/* Nothing is timed while the owner lets it rest */

static bool ten_turns(void *user)
{
	return ++*(int *)user > 10;
}

static void rest_is_not_timed(void **state)
{
	int turns = 0;

	(void)state;
	one_smarthost(NULL);
	/* A second of a deadline is nothing: whatever is timed runs out at once. */
	begin("bob@x.net");
	rig_until(&rig, is_answered, NULL);
	relay_scale_deadlines(rig.relay, 0);
	rig_until(&rig, ten_turns, &turns);
	assert_false(job.is_done);
	relay_scale_deadlines(rig.relay, 1000);
	finish();
	assert_outcome(0, RELAY_DELIVERED, 250);
}

/* Connections that die while a job rests on them */

static atomic_uint may_die, dying;

static const char *dies_at(const struct fake_talk *talk, const char *line)
{
	/* The second connection would take everybody. */
	const char *reply = talk->connection == 1 ? by_recipient(talk, line) : NULL;

	if (reply)
		return reply;
	if (strncmp(line, answer_to, strlen(answer_to)) == 0 && talk->recipients >= may_die &&
	    dying > 0) {
		dying--;
		return answer_with;
	}
	return NULL;
}

static const char bye_behind[] = "250 2.1.5 ok\r\n421 4.4.2 idle too long";

static const struct death_case {
	const char *name, *to, *with;
	unsigned recipients; /* it dies when so many were asked about */
} death_cases[] = {
	{ "421 while it rests", "RCPT", bye_behind, 2 },
	{ "closed at a later RCPT", "RCPT", FAKE_CLOSE, 3 },
	{ "reset at a later RCPT", "RCPT", FAKE_RESET, 3 },
	{ "421 to a later RCPT", "RCPT", "421 4.4.2 idle too long", 3 },
	{ "closed at DATA", "DATA", FAKE_CLOSE, 3 },
	{ "421 to DATA", "DATA", "421 4.4.2 idle too long", 3 },
};

static void play_death(const struct death_case *c, unsigned deaths)
{
	set_up(NULL);
	answer_to = c->to;
	answer_with = c->with;
	may_die = c->recipients;
	dying = deaths;
	one_smarthost(dies_at);
	begin("gone@x.net bob@x.net");
	rig_until(&rig, is_answered, NULL);
	assert_outcome(0, RELAY_REFUSED, 550);
	job_grow(&job, "carol@x.net");
	rig_until(&rig, is_answered_or_done, NULL);
	if (!job.is_done)
		job_content(&job);
	rig_until(&rig, job_is_done, &job);
}

static void death_at_rest_is_silent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(death_cases) / sizeof(death_cases[0]); i++) {
		play_death(&death_cases[i], 1);
		if (job.verdicts[1].outcome != RELAY_DELIVERED ||
		    job.verdicts[2].outcome != RELAY_DELIVERED)
			fail_msg("%s: %s", death_cases[i].name, job.verdicts[1].reason);
		/* Who was refused before is not asked again. */
		assert_string_equal(fake.messages[0].recipients, "bob@x.net carol@x.net");
		assert_outcome(0, RELAY_REFUSED, 550);
		assert_int_equal(job.accepted[1], 2);
		assert_int_equal(fake.message_count, 1);
		assert_int_equal(fake.connections, 2);
		/* It was begun twice, and the smarthost may have counted both. */
		assert_int_equal(limit_messages(limit, loop_now_ms(rig.loop)), 8);
		tear_down(NULL);
	}
}

/* The second one rests, too, before it dies: it asks about two recipients, then says goodbye. */
static void death_at_rest_is_repeated_once_only(void **state)
{
	(void)state;
	play_death(&death_cases[0], 2);
	assert_outcome(0, RELAY_REFUSED, 550);
	assert_int_equal(job.verdicts[1].outcome, RELAY_DEFERRED);
	assert_int_equal(job.verdicts[2].outcome, RELAY_DEFERRED);
	assert_int_equal(fake.connections, 2);
	assert_int_equal(fake.message_count, 0);
	tear_down(NULL);
}

/* The kept connection is dead, and the one that replaces it offers less. */
static const char *changes(const struct fake_talk *talk, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0 && talk->connection > 1)
		return "250-fake\r\n250 HELP";
	if (talk->connection == 1 && talk->messages == 2 && strncmp(line, "MAIL", 4) == 0)
		return FAKE_CLOSE;
	if (talk->connection > 1 &&
	    (strstr(line, "NOTIFY") || strstr(line, "BODY") || strstr(line, "RET=")))
		return "555 5.5.4 not here";
	return NULL;
}

static void offers_change_between_connections(void **state)
{
	struct smtp_rcpt_params params[2] = { { .notify = SMTP_NOTIFY_SUCCESS } };
	struct test_job whole;

	(void)state;
	one_smarthost(changes);
	send_whole(&whole);
	assert_true(whole.verdicts[0].takes_dsn);
	job_open(&job, "alice@example.com", "bob@x.net", content);
	job.job.message.params = params;
	job.job.message.ret = SMTP_RET_HDRS;
	job.job.message.may_be_8bit = true;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_answered_or_done, NULL);
	job_grow(&job, "carol@x.net");
	finish();
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_outcome(1, RELAY_DELIVERED, 250);
	assert_false(job.verdicts[0].takes_dsn);
	assert_int_equal(fake.connections, 2);
}

/* Given up */

static atomic_bool is_held;
static const char *held_at;

static const char *holds(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (is_held && strncmp(line, held_at, strlen(held_at)) == 0 &&
	       (held_at[0] || line[0] == '\0'))
		sched_yield();
	return by_recipient(talk, line);
}

static bool has_connected(void *user)
{
	(void)user;
	return fake.connections == 1;
}

static bool is_busy(void *user)
{
	struct relay_view view;

	(void)user;
	return relay_look(rig.relay, 0, &view) && view.busy == 1;
}

static const struct cancel_case {
	const char *name, *held_at;
	bool (*when)(void *user);
} cancel_cases[] = {
	{ "at once", "none", NULL },
	{ "before the greeting", "", has_connected },
	{ "before the reply to MAIL", "MAIL", is_busy },
	{ "before the reply to RCPT", "RCPT", is_busy },
	{ "at rest", "none", is_answered },
};

static void cancelled_at_any_point(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cancel_cases) / sizeof(cancel_cases[0]); i++) {
		const struct cancel_case *c = &cancel_cases[i / 2];
		struct test_job whole;

		set_up(NULL);
		fake.offers = i % 2 ? NULL : pipelining;
		held_at = c->held_at;
		is_held = true;
		one_smarthost(holds);
		begin("gone@x.net bob@x.net");
		if (c->when)
			rig_until(&rig, c->when, NULL);
		assert_true(relay_cancel(&job.job));
		memset(&job, 0xAA, sizeof(job)); /* it is ours again */
		assert_int_equal(relay_waiting(rig.relay), 0);
		assert_int_equal(limit_messages(limit, loop_now_ms(rig.loop)), 10);
		is_held = false;
		send_whole(&whole);
		assert_int_equal(whole.verdicts[0].outcome, RELAY_DELIVERED);
		if (fake.connections != 1 || fake.message_count != 1)
			fail_msg("%s: %u connections, %u messages", c->name, fake.connections,
				 fake.message_count);
		assert_string_equal(fake.messages[0].recipients, "bob@example.net");
		tear_down(NULL);
	}
}

static void (*accepted_before)(struct relay_job *j, size_t index, const struct smtp_reply *reply);
static unsigned cancels;

static void cancel_on_accepted(struct relay_job *j, size_t index, const struct smtp_reply *reply)
{
	accepted_before(j, index, reply);
	cancels++;
	assert_true(relay_cancel(j));
	memset(&job, 0xAA, sizeof(job));
}

static void cancel_on_verdict(struct relay_job *j, size_t index, const struct relay_verdict *v)
{
	(void)index;
	(void)v;
	cancels++;
	assert_true(relay_cancel(j));
	memset(&job, 0xAA, sizeof(job));
}

static bool was_cancelled(void *user)
{
	(void)user;
	return cancels == 1;
}

static void cancelled_within_a_callback(void **state)
{
	/* The last: within the verdicts of a refused MAIL, of which there are two. */
	static const char *const ways[] = { "RCPT TO:<bob@", "RCPT TO:<gone@", "MAIL" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct test_job whole;

		set_up(NULL);
		cancels = 0;
		answer_to = ways[i];
		answer_with = i == 0 ? "250 ok" : "550 5.1.1 no";
		one_smarthost(one_answer);
		job_open(&job, "alice@example.com", i == 0 ? "bob@x.net" : "gone@x.net x@x.net",
			 content);
		accepted_before = job.job.accepted;
		if (i == 0)
			job.job.accepted = cancel_on_accepted;
		job.job.recipient = cancel_on_verdict;
		relay_send(rig.relay, &job.job);
		rig_until(&rig, was_cancelled, NULL);
		fake.answer = NULL;
		send_whole(&whole);
		assert_int_equal(whole.verdicts[0].outcome, RELAY_DELIVERED);
		assert_int_equal(fake.connections, 1);
		assert_int_equal(fake.message_count, 1);
		assert_int_equal(cancels, 1);
		tear_down(NULL);
	}
}

static bool body_has_begun(void *user)
{
	(void)user;
	return fake.starts_of_body == 1;
}

static void too_late_to_cancel(void **state)
{
	(void)state;
	held_at = ".";
	is_held = true;
	one_smarthost(holds);
	begin("bob@x.net");
	rig_until(&rig, is_answered, NULL);
	job_content(&job);
	assert_false(relay_cancel(&job.job));
	rig_until(&rig, body_has_begun, NULL);
	assert_false(relay_cancel(&job.job));
	is_held = false;
	rig_until(&rig, job_is_done, &job);
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_false(relay_cancel(&job.job));
}

static void grow_on_accepted(struct relay_job *j, size_t index, const struct smtp_reply *reply)
{
	accepted_before(j, index, reply);
	if (j->message.recipient_count < 4)
		job_grow(&job, "more@x.net");
	else if (index == 3)
		job_content(&job);
}

static void grows_within_a_callback(void **state)
{
	(void)state;
	one_smarthost(NULL);
	job_open(&job, "alice@example.com", "bob@x.net", content);
	accepted_before = job.job.accepted;
	job.job.accepted = grow_on_accepted;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
	for (size_t i = 0; i < 4; i++)
		assert_outcome(i, RELAY_DELIVERED, 250);
	assert_string_equal(fake.messages[0].recipients,
			    "bob@x.net more@x.net more@x.net more@x.net");
}

static void stopping_ends_a_job_at_rest(void **state)
{
	(void)state;
	one_smarthost(NULL);
	begin("bob@x.net");
	rig_until(&rig, is_answered, NULL);
	relay_free(rig.relay, 30, NULL, NULL);
	rig.relay = NULL;
	rig_until(&rig, job_is_done, &job);
	assert_int_equal(job.verdicts[0].outcome, RELAY_DEFERRED);
	rig_until(&rig, all_closed, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recipients_come_one_by_one),
		TEST(all_at_once_before_anybody_answers),
		TEST(nobody_accepted_needs_no_content),
		cmocka_unit_test(every_fault_makes_its_verdict),
		TEST(rest_is_not_timed),
		cmocka_unit_test(death_at_rest_is_silent),
		cmocka_unit_test(death_at_rest_is_repeated_once_only),
		TEST(offers_change_between_connections),
		cmocka_unit_test(cancelled_at_any_point),
		cmocka_unit_test(cancelled_within_a_callback),
		TEST(too_late_to_cancel),
		TEST(grows_within_a_callback),
		TEST(stopping_ends_a_job_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
