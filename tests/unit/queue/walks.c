/* tests/unit/queue/walks.c: everybody who stays is seen once, whoever comes and goes meanwhile; ids are
 * found without a walk. */
#include "test.h"

#include "house.h"

#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
	(void)state;
	house_start();
	house.room = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	house_stop();
	return 0;
}

enum { MANY = 1000 };

static unsigned seen[4 * MANY];
static uint64_t last_seen;
static bool is_in_order;

static void see(void *user, const struct queue_view *view)
{
	(void)user;
	assert_true(view->envelope->qid < 4 * MANY);
	seen[view->envelope->qid]++;
	is_in_order &= view->envelope->qid > last_seen;
	last_seen = view->envelope->qid;
	assert_string_equal(view->envelope->account, "alice");
	assert_string_equal(view->envelope->sender, "alice@example.com");
	assert_string_equal(view->envelope->recipients[0].address, "bob@example.net");
	assert_int_equal(view->delivery->recipient_count, 1);
	assert_int_equal(view->waiting, 1);
}

static void add(unsigned n)
{
	while (n--)
		house_add("alice", "alice@example.com", "bob@example.net");
}

static void drop(uint64_t qid)
{
	struct queued *q = queue_index_get(&house.queue->index, qid);

	if (q)
		queued_free(&q);
}

static void all_are_seen_in_order(void **state)
{
	static const size_t portions[] = { 1, 2, 7, 999, 1000, 1001 };

	(void)state;
	add(MANY);
	for (size_t i = 0; i < sizeof(portions) / sizeof(portions[0]); i++) {
		struct queue_walk walk;
		unsigned calls = 1;

		memset(seen, 0, sizeof(seen));
		last_seen = 0;
		is_in_order = true;
		queue_walk_init(&walk, house.queue);
		while (queue_walk(&walk, portions[i], see, NULL))
			calls++;
		queue_walk_fini(&walk);
		for (int qid = 1; qid <= MANY; qid++)
			assert_int_equal(seen[qid], 1);
		assert_true(is_in_order);
		assert_int_equal(calls, (MANY + portions[i] - 1) / portions[i]);
	}
}

static void an_empty_queue_has_an_end(void **state)
{
	struct queue_walk walk;

	(void)state;
	queue_walk_init(&walk, house.queue);
	assert_false(queue_walk(&walk, 10, see, NULL));
	assert_false(queue_walk(&walk, 10, see, NULL));
	queue_walk_fini(&walk);
}

/* Two walks, one behind the other; between portions random ones go, among them those that come next,
 * and others come. */
static void coming_and_going(void **state)
{
	bool is_gone[4 * MANY] = { false };

	(void)state;
	srand(42);
	for (int round = 0; round < 30; round++) {
		struct queue_walk walk, other;
		uint64_t first = house.last_id + 1, last;
		bool is_more = true;

		if (house.last_id + 200 >= 4 * MANY)
			break;
		add(100);
		last = house.last_id;
		memset(seen, 0, sizeof(seen));
		last_seen = 0;
		is_in_order = true;
		queue_walk_init(&walk, house.queue);
		queue_walk_init(&other, house.queue);
		while (is_more) {
			is_more = queue_walk(&walk, 7, see, NULL);
			for (int i = 0; i < 3 && is_more; i++) {
				uint64_t qid = last_seen + (uint64_t)(rand() % 4);

				drop(qid);
				is_gone[qid] = true;
			}
			if (house.last_id < last + 20)
				add(1);
		}
		queue_walk_fini(&walk);
		queue_walk_fini(&other);
		for (uint64_t qid = first; qid <= last; qid++)
			if (!is_gone[qid])
				assert_int_equal(seen[qid], 1);
		for (uint64_t qid = 1; qid < 4 * MANY; qid++)
			assert_true(seen[qid] <= 1);
		assert_true(is_in_order);
	}
}

static void the_last_one_may_go(void **state)
{
	struct queue_walk walk;

	(void)state;
	add(3);
	queue_walk_init(&walk, house.queue);
	memset(seen, 0, sizeof(seen));
	assert_true(queue_walk(&walk, 2, see, NULL));
	drop(3);
	assert_false(queue_walk(&walk, 2, see, NULL));
	assert_int_equal(seen[3], 0);
	queue_walk_fini(&walk);
}

static void a_walk_outlives_its_queue(void **state)
{
	struct queue_walk walk;

	(void)state;
	add(3);
	queue_walk_init(&walk, house.queue);
	assert_true(queue_walk(&walk, 1, see, NULL));
	house_restart();
	assert_false(queue_walk(&walk, 1, see, NULL));
	queue_walk_fini(&walk);
}

static void the_index_finds_whoever_is_there(void **state)
{
	enum { IDS = 20000 };
	static bool is_there[IDS + 1];
	struct queue_view view;

	(void)state;
	srand(7);
	memset(is_there, 0, sizeof(is_there));
	for (int i = 0; i < IDS; i++) {
		uint64_t qid;

		add(1);
		is_there[house.last_id] = true;
		qid = 1 + (uint64_t)rand() % house.last_id;
		if (rand() % 3 == 0) {
			drop(qid);
			is_there[qid] = false;
		}
	}
	for (uint64_t qid = 0; qid <= IDS; qid++) {
		assert_int_equal(queue_find(house.queue, qid, &view), is_there[qid]);
		if (is_there[qid])
			assert_int_equal(view.envelope->qid, qid);
	}
	assert_int_equal(house.queue->index.count, queue_length(house.queue));
}

static void stands_have_words(void **state)
{
	(void)state;
	assert_string_equal(queue_stand_word(QUEUE_STAND_NO_SMARTHOST), "no-smarthost");
	assert_string_equal(queue_stand_word(QUEUE_STAND_NOTICE), "notice");
	assert_true(queue_stand_text(QUEUE_STAND_RATE)[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_are_seen_in_order),	 TEST(an_empty_queue_has_an_end),
		TEST(coming_and_going),		 TEST(the_last_one_may_go),
		TEST(a_walk_outlives_its_queue), TEST(the_index_finds_whoever_is_there),
		TEST(stands_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
