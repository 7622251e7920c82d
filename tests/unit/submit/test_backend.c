/* Whether logins can be checked: when a worker is asked, by whom, and what is believed meanwhile. */
#include "test.h"

#include "backend.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

/* In place of loop, workers and log */

static struct worker_ask *asked; /* the one that is under way */
static struct timer *armed;
static unsigned downs, ups;

void worker_ask(struct worker_pool *pool, struct worker_ask *ask)
{
	(void)pool;
	assert_null(asked);
	assert_int_equal(ask->worker, 0);
	asked = ask;
}

void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms)
{
	(void)loop;
	assert_true(in_ms > 0);
	armed = timer;
}

void timer_clear(struct loop *loop, struct timer *timer)
{
	(void)loop;
	if (armed == timer)
		armed = NULL;
}

void log_put(struct log *log, const struct logline *line)
{
	(void)log;
	downs += memmem(line->text, line->len, "logins-down", 11) != NULL;
	ups += memmem(line->text, line->len, "logins-up", 9) != NULL;
}

int64_t wall_now_ms(void)
{
	return 1800000000000;
}

/* The tests */

struct bench {
	struct submit_backend *backend;
	struct submit one, other;
};

static int set_up(void **state)
{
	struct bench *b = mem_new(struct bench);

	b->backend = submit_backend_new();
	b->one.conf.backend = b->other.conf.backend = b->backend;
	asked = NULL;
	armed = NULL;
	downs = ups = 0;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	assert_null(armed);
	assert_null(asked);
	submit_backend_free(&b->backend);
	free(b);
	return 0;
}

static void answer(int status, enum auth_verdict verdict)
{
	const struct auth_answer answer = { .verdict = verdict,
					    .detail = span_text("no such socket") };
	struct worker_ask *ask = asked;

	assert_non_null(ask);
	asked = NULL;
	buf_clear(&ask->request);
	ask->status = status;
	if (status == 0)
		auth_answer_encode(&answer, &ask->answer);
	ask->done(ask);
}

static void fire(void)
{
	struct timer *timer = armed;

	assert_non_null(timer);
	armed = NULL;
	timer->fire(timer);
}

static void test_only_some_ends_are_suspicious(void **state)
{
	static const struct {
		int status;
		enum auth_verdict verdict;
		bool is_suspicious;
	} cases[] = {
		{ 0, AUTH_OK, false },
		{ 0, AUTH_WRONG, false },
		{ 0, AUTH_CONTINUE, false },
		{ 0, AUTH_MALFORMED, false },
		{ -EAGAIN, AUTH_UNAVAILABLE, false },
		{ -ESTALE, AUTH_UNAVAILABLE, false },
		{ 0, AUTH_UNAVAILABLE, true },
		{ -ETIMEDOUT, AUTH_UNAVAILABLE, true },
		{ -EPIPE, AUTH_UNAVAILABLE, true },
		{ -ECHILD, AUTH_UNAVAILABLE, true },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		backend_heard(&b->one, cases[i].status, cases[i].verdict);
		assert_int_equal(asked != NULL, cases[i].is_suspicious);
		assert_false(backend_is_down(&b->one));
		if (asked)
			answer(0, AUTH_OK);
		assert_false(backend_is_down(&b->one));
	}
	assert_int_equal(downs + ups, 0);
}

static void test_down_until_an_answer_is_good(void **state)
{
	static const struct {
		int status;
		enum auth_verdict verdict;
	} bad[] = { { 0, AUTH_UNAVAILABLE }, { -ETIMEDOUT, AUTH_OK }, { -EAGAIN, AUTH_OK } };
	struct bench *b = *state;

	backend_heard(&b->one, 0, AUTH_UNAVAILABLE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		answer(bad[i].status, bad[i].verdict);
		assert_true(backend_is_down(&b->one));
		assert_true(backend_is_down(&b->other));
		fire();
	}
	answer(0, AUTH_OK);
	assert_false(backend_is_down(&b->one));
	assert_false(backend_is_down(&b->other));
	assert_int_equal(downs, 1);
	assert_int_equal(ups, 1);
	/* And again. */
	backend_heard(&b->other, 0, AUTH_UNAVAILABLE);
	answer(0, AUTH_UNAVAILABLE);
	assert_true(backend_is_down(&b->one));
	fire();
	answer(0, AUTH_OK);
	assert_false(backend_is_down(&b->one));
	assert_int_equal(downs + ups, 4);
}

/* Clients can make the line of logins full, not the back end look down. */
static void test_a_crowd_is_no_sign(void **state)
{
	struct bench *b = *state;

	backend_heard(&b->one, 0, AUTH_UNAVAILABLE);
	answer(-EAGAIN, AUTH_OK);
	assert_false(backend_is_down(&b->one));
	fire();
	answer(0, AUTH_UNAVAILABLE);
	assert_true(backend_is_down(&b->one));
	fire();
	answer(-EAGAIN, AUTH_OK);
	assert_true(backend_is_down(&b->one));
	fire();
	answer(0, AUTH_OK);
	assert_false(backend_is_down(&b->one));
}

/* Nobody has tried to log in yet. */
static void test_asked_before_anybody_comes(void **state)
{
	struct bench *b = *state;

	submit_probe(&b->one);
	submit_probe(&b->one);
	answer(0, AUTH_UNAVAILABLE);
	assert_true(backend_is_down(&b->one));
	fire();
	answer(0, AUTH_OK);
	assert_false(backend_is_down(&b->one));
	b->one.is_stopping = true;
	submit_probe(&b->one);
	assert_null(asked);
}

/* worker_ask() of the stub would find a second one. */
static void test_one_loop_asks_for_all(void **state)
{
	struct bench *b = *state;

	backend_heard(&b->one, 0, AUTH_UNAVAILABLE);
	backend_heard(&b->one, 0, AUTH_UNAVAILABLE);
	backend_heard(&b->other, 0, AUTH_UNAVAILABLE);
	answer(0, AUTH_UNAVAILABLE);
	backend_heard(&b->other, 0, AUTH_UNAVAILABLE);
	assert_null(asked);
	fire();
	answer(0, AUTH_OK);
	assert_null(b->one.probe);
	assert_null(b->other.probe);
}

static void test_a_loop_that_ends_leaves_it_to_another(void **state)
{
	struct bench *b = *state;

	/* While it waits to ask again. */
	backend_heard(&b->one, 0, AUTH_UNAVAILABLE);
	answer(0, AUTH_UNAVAILABLE);
	b->one.is_stopping = true;
	backend_leave(&b->one);
	assert_null(armed);
	backend_heard(&b->one, 0, AUTH_UNAVAILABLE);
	assert_null(asked);
	backend_heard(&b->other, 0, AUTH_UNAVAILABLE);
	assert_non_null(asked);
	/* While the question is under way: its answer finds nobody. */
	b->other.is_stopping = true;
	backend_leave(&b->other);
	assert_null(b->other.probe);
	answer(0, AUTH_OK);
	backend_leave(&b->other);
}

static void test_without_one(void **state)
{
	struct submit alone = { 0 };

	(void)state;
	backend_heard(&alone, 0, AUTH_UNAVAILABLE);
	assert_false(backend_is_down(&alone));
	backend_leave(&alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_some_ends_are_suspicious, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_down_until_an_answer_is_good, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_crowd_is_no_sign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asked_before_anybody_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_loop_asks_for_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_loop_that_ends_leaves_it_to_another, set_up,
						tear_down),
		cmocka_unit_test(test_without_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
