/* tests/unit/queue/lines.c: whose turn it is, and what waits costs. */
#include "test.h"

#include "house.h"

#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int set_up(void **state)
{
	(void)state;
	house_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	house_stop();
	return 0;
}

static const char bob[] = "bob@example.net";

static void accounts_take_turns(void **state)
{
	uint64_t last;

	(void)state;
	house.room = 0;
	for (int i = 0; i < 10000; i++)
		house_add("alice", "alice@example.com", bob);
	house_run();
	assert_int_equal(house.sent, 0);
	house.conf.active = 1;
	queue_renew(house.queue, &house.conf);
	house.room = 100000;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house_job()->qid, 1);
	last = house_add("carol", "carol@example.com", bob);
	house_run();
	/* 9,999 of alice's stand before it, and it is the next one. */
	house_answer(house_job(), "250 ok");
	assert_int_equal(house_job()->qid, last);
	house_answer(house_job(), "250 ok");
	assert_int_equal(house_job()->qid, 2);
}

static void each_account_is_first_in_first_out(void **state)
{
	static const char *const accounts[] = { "a", "a", "a", "b", "b", "", "a", "c", "b", "" };
	static const uint64_t order[] = { 1, 4, 6, 8, 2, 5, 10, 3, 9, 7 };

	(void)state;
	house.conf.active = 1;
	queue_renew(house.queue, &house.conf);
	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
		house_add(accounts[i], "x@example.com", bob);
	house_run();
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_int_equal(house_job()->qid, order[i]);
		house_answer(house_job(), "250 ok");
	}
	assert_int_equal(queue_length(house.queue), 0);
	assert_int_equal(house.queue->lines.count, 0);
}

static void no_more_than_there_is_room_for(void **state)
{
	(void)state;
	house.room = 3;
	for (int i = 0; i < 20; i++)
		house_add("alice", "alice@example.com", bob);
	house_run();
	assert_int_equal(house.sent, 3);
	house.room = 1;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house.sent, 4);
	house.room = 1000;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house.sent, 8); /* conf.active */
	house_answer(house_job(), "250 ok");
	assert_int_equal(house.sent, 9);
}

static void untried_is_no_attempt(void **state)
{
	struct queue_view view;
	uint64_t qid, other;

	(void)state;
	house.room = 1;
	qid = house_add("alice", "alice@example.com", "bob@example.net carol@example.net");
	other = house_add("alice", "alice@example.com", bob);
	house_run();
	house_give_back(house_job());
	house_run();
	view = house_view(qid);
	assert_int_equal(view.delivery->attempts, 0);
	assert_int_equal(view.delivery->try_count, 0);
	assert_null(view.delivery->recipients[0].text);
	assert_int_equal(view.stand, QUEUE_STAND_LINE);
	assert_int_equal(view.ahead, 0);
	assert_int_equal(house_view(other).ahead, 1);
	assert_int_equal(house.write_count, 0);
	assert_int_equal(house.counters.recipients_deferred, 0);
	assert_int_equal(house_said("waiting", "connection refused"), 1);
	/* It is the first again. */
	house.room = 1;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house_job()->qid, qid);
	house_give_back(house_job());
	house_run();
	assert_int_equal(house_said("waiting", ""), 1);
}

/* A relay that says it has room, and gives everything back: as one that ends might. */
static void what_comes_back_untried_makes_no_busy_loop(void **state)
{
	(void)state;
	house.gives_back = true;
	for (int i = 0; i < 100; i++)
		house_add("alice", "alice@example.com", bob);
	house_run();
	assert_true(house.sent <= 8);
	house.turns = house.sent = 0;
	house_pass(60 * 1000);
	assert_true(house.sent >= 8 && house.sent <= 61 * 8);
	assert_true(house.turns < 1200);
	house.gives_back = false;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house.jobs.count, 8);
}

/* It has no room now: its call is waited for, and it is asked as soon as that comes. */
static void a_stall_ends_with_the_room(void **state)
{
	(void)state;
	house.room = 1;
	house_add("alice", "alice@example.com", bob);
	house_run();
	house_give_back(house_job());
	house_run();
	house.turns = 0;
	house_pass(10 * 60 * 1000);
	assert_int_equal(house.turns, 0);
	house.room = 1;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house.sent, 2);
}

static void nothing_turns_while_nobody_can_be_asked(void **state)
{
	(void)state;
	house.room = 0;
	for (int i = 0; i < 100; i++)
		house_add("alice", "alice@example.com", bob);
	house_run();
	house.turns = 0;
	house_pass(3600 * 1000);
	assert_int_equal(house.turns, 0);
}

static void a_message_first_waiting_is_told_of_once(void **state)
{
	uint64_t qid;

	(void)state;
	house.room = 0;
	house.looks[0].paused_ms = 5000;
	house.looks[0].reason = "smtp.example.net:587: certificate expired";
	qid = house_add("alice", "alice@example.com", bob);
	house_run();
	assert_int_equal(house_said("waiting", "certificate expired"), 1);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NO_SMARTHOST);
	house.looks[0] = (struct house_look){ "main", "h", NULL, 0, 20000 };
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RATE);
	house.looks[0].rated_ms = 0;
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_LINE);
	house.look_count = 0;
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NO_SMARTHOST);
	/* One of two is enough. */
	house.looks[0] = (struct house_look){ "main", "h", "down", 5000, 0 };
	house.looks[1] = (struct house_look){ "second", "h2", NULL, 0, 5000 };
	house.look_count = 2;
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RATE);
	house.room = 1;
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_ACTIVE);
	house_answer(house_job(), "451 4.7.1 later");
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RETRY);
	assert_int_equal(house_said("waiting", ""), 1);
}

static void the_relay_is_told_what_the_sender_asked_for(void **state)
{
	uint64_t qid = ++house.last_id;
	struct envelope e =
		house_envelope(qid, "alice", "alice@example.com", bob, SMTP_NOTIFY_NEVER);
	struct smtp_rcpt_params params = { SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY,
					   span_text("rfc822;c+2Bd@example.net") };
	const struct smtp_client_message *m;

	(void)state;
	e.ret = SMTP_RET_HDRS;
	e.form = SMTP_FORM_8BIT;
	envelope_add_recipient(&e, span_text("carol@example.net"), &params);
	queue_add(house.queue, &e, NULL, 0);
	house_run();
	m = &house_job()->message;
	assert_span_text(m->sender, "alice@example.com");
	assert_span_text(m->envid, "QQ314159");
	assert_int_equal(m->ret, SMTP_RET_HDRS);
	assert_int_equal(m->form, SMTP_FORM_8BIT);
	assert_int_equal(m->size, 1000);
	assert_int_equal(m->recipient_count, 2);
	assert_int_equal(m->params[0].notify, SMTP_NOTIFY_NEVER);
	assert_int_equal(m->params[1].notify, SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY);
	assert_span_text(m->params[1].orcpt, "rfc822;c+2Bd@example.net");
	house_hear(house_job(), 0, "250 ok");
	house_hear(house_job(), 1, "450 4.2.0 later");
	house_end(house_job());
	house_run();
	house_pass(2 * 60 * 1000);
	/* Who has it is not named again, and the other keeps what was his. */
	m = &house_job()->message;
	assert_int_equal(m->recipient_count, 1);
	assert_span_text(m->recipients[0], "carol@example.net");
	assert_span_text(m->params[0].orcpt, "rfc822;c+2Bd@example.net");
}

/* Contents in memory are for the next ones; a line of many is not to be in memory twice. */
static void contents_are_kept_for_some_only(void **state)
{
	(void)state;
	house.room = 0;
	for (uint64_t qid = 1; qid <= 6000; qid++) {
		struct envelope e = house_envelope(qid, "alice", "alice@example.com", bob, 0);
		struct buf memory = { 0 };

		buf_put_text(&memory, "Subject: x\r\n\r\n");
		house.memory -= 14;
		queue_add(house.queue, &e, &memory, 14);
		assert_null(memory.at);
	}
	assert_int_equal(house.memory, -14 * 4096);
	house_restart();
	assert_int_equal(house.memory, 0);
}

enum { MANY = 100000, OCTETS_MOST = 350 };

static size_t heap_octets(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return true;
#elif defined(__has_feature)
	return __has_feature(address_sanitizer);
#else
	return false;
#endif
}

static void encode_one(uint64_t qid, struct buf *out)
{
	char account[32], recipient[64];
	struct envelope e;

	snprintf(account, sizeof(account), "user%u", (unsigned)(qid % 500));
	snprintf(recipient, sizeof(recipient), "recipient.%u@customer.example.net", (unsigned)qid);
	e = house_envelope(qid, account, "somebody@company.example.com", recipient, 0);
	buf_clear(out);
	envelope_encode(&e, out);
	envelope_fini(&e);
}

/* A note as a smarthost that is busy leaves it. */
static void encode_note(struct buf *out)
{
	struct delivery d;
	struct recipient_status *s;

	delivery_init(&d, 1);
	s = &d.recipients[0];
	s->code = 450;
	s->status = (struct smtp_status){ 4, 2, 0 };
	s->text = mem_text("The recipient's mailbox is busy; please try again later");
	s->smarthost = mem_text("main");
	d.attempts = 2;
	d.last_ms = house.wall_ms;
	d.next_ms = house.wall_ms + 60000;
	delivery_add_try(&d, house.wall_ms, s);
	delivery_encode(&d, out);
	delivery_fini(&d);
}

static void measure(const char *what, struct span note, size_t most)
{
	struct buf record = { 0 };
	size_t before, each;
	int64_t us = 0;

	house.room = 0;
	encode_one(1, &record);
	buf_room(&record, 4096);
	before = heap_octets();
	for (uint64_t qid = 1; qid <= MANY; qid++) {
		struct spool_found found = { .id = qid, .note = note };
		int64_t start;

		encode_one(qid, &record);
		found.envelope = buf_span(&record);
		start = cpu_us();
		assert_int_equal(queue_recover(house.queue, &found), 0);
		us += cpu_us() - start;
	}
	each = (heap_octets() - before) / MANY;
	print_message("%s: %zu octets and %.2f us for each message\n", what, each,
		      (double)us / MANY);
	assert_int_equal(queue_length(house.queue), MANY);
	if (!is_sanitized() && each > most)
		fail_msg("%zu octets for each", each);
	buf_fini(&record);
}

static void a_waiting_message_is_small(void **state)
{
	(void)state;
	measure("untried", span_of(NULL, 0), OCTETS_MOST);
}

/* A million of them, and the spool's index, fit into 600 MB too. */
static void a_deferred_message_is_small(void **state)
{
	struct buf note = { 0 };

	(void)state;
	encode_note(&note);
	measure("deferred", buf_span(&note), 480);
	buf_fini(&note);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(accounts_take_turns),
		TEST(each_account_is_first_in_first_out),
		TEST(no_more_than_there_is_room_for),
		TEST(untried_is_no_attempt),
		TEST(what_comes_back_untried_makes_no_busy_loop),
		TEST(a_stall_ends_with_the_room),
		TEST(nothing_turns_while_nobody_can_be_asked),
		TEST(a_message_first_waiting_is_told_of_once),
		TEST(the_relay_is_told_what_the_sender_asked_for),
		TEST(contents_are_kept_for_some_only),
		TEST(a_waiting_message_is_small),
		TEST(a_deferred_message_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
