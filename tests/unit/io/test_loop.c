#include "test.h"

#include "base/mem.h"
#include "base/require.h"
#include "io/loop.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

static atomic_uint wakes;

/* In front of libuv's, to count. */
int uv_async_send(uv_async_t *async)
{
	static int (*theirs)(uv_async_t *);

	if (theirs == NULL)
		*(void **)&theirs = dlsym(RTLD_NEXT, "uv_async_send");
	wakes++;
	return theirs(async);
}

/* Posts */

enum { POSTS = 20000, POSTERS = 4 };

struct numbered {
	struct work work;
	unsigned poster, number;
};

struct count {
	struct loop *loop;
	unsigned next[POSTERS], ran;
	bool is_disordered, is_elsewhere;
};

static struct count count;

static void note(struct work *work)
{
	struct numbered *n = work_entry(work, struct numbered, work);

	if (count.next[n->poster]++ != n->number)
		count.is_disordered = true;
	if (!loop_is_here(count.loop))
		count.is_elsewhere = true;
	count.ran++;
}

static void *post_all(void *arg)
{
	struct numbered *mine = arg;

	for (unsigned i = 0; i < POSTS; i++)
		loop_post(count.loop, &mine[i].work);
	return NULL;
}

static void posts_of_many_threads_run_once_in_order(void **state)
{
	struct numbered *posts[POSTERS];
	pthread_t threads[POSTERS];

	(void)state;
	count = (struct count){ .loop = loop_new("test") };
	loop_start(count.loop);
	for (unsigned p = 0; p < POSTERS; p++) {
		posts[p] = mem_array(POSTS, sizeof(struct numbered));
		for (unsigned i = 0; i < POSTS; i++)
			posts[p][i] = (struct numbered){ { NULL, note }, p, i };
		assert_int_equal(pthread_create(&threads[p], NULL, post_all, posts[p]), 0);
	}
	for (unsigned p = 0; p < POSTERS; p++)
		pthread_join(threads[p], NULL);
	assert_false(loop_is_here(count.loop));
	/* What was posted before the stop has run when the loop has ended. */
	loop_stop(count.loop);
	loop_join(count.loop);
	assert_int_equal(count.ran, POSTERS * POSTS);
	assert_false(count.is_disordered);
	assert_false(count.is_elsewhere);
	loop_free(&count.loop);
	for (unsigned p = 0; p < POSTERS; p++)
		free(posts[p]);
}

static void posts_before_start_and_after_stop_run(void **state)
{
	struct numbered before = { { NULL, note }, 0, 0 }, after = { { NULL, note }, 0, 1 };

	(void)state;
	count = (struct count){ .loop = loop_new("test") };
	loop_post_home(count.loop, &before.work);
	loop_stop(count.loop);
	loop_stop(count.loop);
	loop_run(count.loop);
	assert_int_equal(count.ran, 1);
	loop_post(count.loop, &after.work);
	loop_free(&count.loop);
	assert_int_equal(count.ran, 2);
	assert_null(count.loop);
	loop_free(&count.loop);
}

struct flood {
	struct work work;
	struct loop *loop;
	uint64_t runs;
	struct timer timer;
};

static void post_again(struct work *work)
{
	struct flood *flood = work_entry(work, struct flood, work);

	flood->runs++;
	if (flood->timer.fire)
		loop_post(flood->loop, work);
}

static void end_flood(struct timer *timer)
{
	struct flood *flood = timer_entry(timer, struct flood, timer);

	flood->timer.fire = NULL;
	loop_stop(flood->loop);
}

static void flood_of_posts_starves_no_timer(void **state)
{
	struct flood flood = { { NULL, post_again }, loop_new("test"), 0, { .fire = end_flood } };

	(void)state;
	timer_set(flood.loop, &flood.timer, 20);
	loop_post(flood.loop, &flood.work);
	loop_run(flood.loop);
	assert_true(flood.runs > 1);
	loop_free(&flood.loop);
}

/* A chain of work that each time posts itself, begun by the loop, and within it a post of another thread. */
struct chain {
	struct work work, across;
	struct timer begin;
	struct loop *loop;
	unsigned left;
	bool is_inside, has_crossed;
};

static void begin_chain(struct timer *timer)
{
	struct chain *chain = timer_entry(timer, struct chain, begin);

	loop_post(chain->loop, &chain->work);
}

static void come_across(struct work *work)
{
	work_entry(work, struct chain, across)->has_crossed = true;
}

static void *post_across(void *arg)
{
	struct chain *chain = arg;

	loop_post(chain->loop, &chain->across);
	return NULL;
}

static void post_next(struct work *work)
{
	struct chain *chain = work_entry(work, struct chain, work);
	pthread_t other;

	assert_false(chain->is_inside);
	chain->is_inside = true;
	if (--chain->left)
		loop_post(chain->loop, work);
	if (chain->left == 500) {
		assert_int_equal(pthread_create(&other, NULL, post_across, chain), 0);
		pthread_join(other, NULL);
		assert_false(chain->has_crossed);
	}
	chain->is_inside = false;
	if (chain->left == 0)
		loop_stop(chain->loop);
}

static void loop_that_is_awake_is_not_woken(void **state)
{
	struct chain chain = {
		{ NULL, post_next }, { NULL, come_across }, { .fire = begin_chain }, .left = 1000
	};

	(void)state;
	chain.loop = loop_new("test");
	timer_set(chain.loop, &chain.begin, 1);
	wakes = 0;
	loop_run(chain.loop);
	assert_int_equal(chain.left, 0);
	assert_true(chain.has_crossed);
	assert_int_equal(wakes, 0);
	loop_free(&chain.loop);
}

/* Deadlines */

struct due {
	struct timer timer;
	int64_t in_ms, fired_ms;
};

static struct {
	struct loop *loop;
	unsigned fired, of;
	int64_t last_key;
	bool is_disordered;
} deadlines;

static void on_due(struct timer *timer)
{
	struct due *due = timer_entry(timer, struct due, timer);

	due->fired_ms = loop_now_ms(deadlines.loop);
	if (timer->node.key < deadlines.last_key)
		deadlines.is_disordered = true;
	deadlines.last_key = timer->node.key;
	if (++deadlines.fired == deadlines.of)
		loop_stop(deadlines.loop);
}

static void timers_fire_in_order_and_not_early(void **state)
{
	static const int64_t in_ms[] = { 30, 5, 17, 5, -3, 0, 40, 29, 1, 12 };
	enum { COUNT = sizeof(in_ms) / sizeof(in_ms[0]) };
	struct due dues[COUNT] = { 0 }, moved = { 0 }, cleared = { 0 };
	int64_t start;

	(void)state;
	deadlines.loop = loop_new("test");
	deadlines.fired = 0;
	deadlines.of = COUNT + 1;
	deadlines.last_key = 0;
	usleep(10000); /* a loop that is not running has no clock of its own */
	timer_set(deadlines.loop, &cleared.timer, 3);
	start = loop_now_ms(deadlines.loop);
	for (size_t i = 0; i < COUNT; i++) {
		dues[i].timer.fire = on_due;
		dues[i].in_ms = in_ms[i];
		timer_set(deadlines.loop, &dues[i].timer, in_ms[i]);
	}
	moved.timer.fire = cleared.timer.fire = on_due;
	timer_set(deadlines.loop, &moved.timer, INT64_MAX);
	timer_set(deadlines.loop, &moved.timer, 45);
	timer_clear(deadlines.loop, &cleared.timer);
	timer_clear(deadlines.loop, &cleared.timer);
	loop_run(deadlines.loop);
	assert_false(deadlines.is_disordered);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(dues[i].fired_ms >= start + in_ms[i]);
	assert_true(moved.fired_ms >= start + 45);
	assert_int_equal(cleared.fired_ms, 0);
	loop_free(&deadlines.loop);
}

static void moving_a_deadline_away_moves_nothing_in_the_heap(void **state)
{
	struct due dues[3] = { 0 };
	int64_t place;

	(void)state;
	deadlines.loop = loop_new("test");
	deadlines.fired = 0;
	deadlines.of = 3;
	deadlines.last_key = 0;
	for (unsigned i = 0; i < 3; i++) {
		dues[i].timer.fire = on_due;
		timer_set(deadlines.loop, &dues[i].timer, 10 + i);
	}
	place = dues[0].timer.node.key;
	for (unsigned i = 0; i < 1000; i++)
		timer_set(deadlines.loop, &dues[0].timer, 40 - i % 20);
	assert_int_equal(dues[0].timer.node.key, place);
	timer_set(deadlines.loop, &dues[2].timer, 1);
	loop_run(deadlines.loop);
	assert_false(deadlines.is_disordered);
	assert_true(dues[0].fired_ms >= place + 11);
	assert_true(dues[2].fired_ms <= dues[1].fired_ms);
	loop_free(&deadlines.loop);
}

static void set_again(struct timer *timer)
{
	struct due *due = timer_entry(timer, struct due, timer);

	if (++due->fired_ms == 3)
		loop_stop(deadlines.loop);
	else
		timer_set(deadlines.loop, timer, 0);
}

static void timer_may_set_itself_again(void **state)
{
	struct due due = { .timer.fire = set_again };

	(void)state;
	deadlines.loop = loop_new("test");
	timer_set(deadlines.loop, &due.timer, 1);
	loop_run(deadlines.loop);
	assert_int_equal(due.fired_ms, 3);
	loop_free(&deadlines.loop);
}

/* Signals, clocks, chance */

static void on_signal(void *user, int signum)
{
	require(signum == SIGUSR1);
	loop_stop(user);
}

static void signals_come_as_loop_code(void **state)
{
	struct loop *loop = loop_new("test");
	struct loop_signal *watch = loop_signal_watch(loop, SIGUSR1, on_signal, loop);

	(void)state;
	kill(getpid(), SIGUSR1);
	loop_run(loop);
	loop_signal_free(&watch);
	assert_null(watch);
	loop_free(&loop);
}

static void only_processors_that_may_be_used_count(void **state)
{
	cpu_set_t before, one;
	int last = CPU_SETSIZE - 1;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(loop_processors(), CPU_COUNT(&before));
	while (!CPU_ISSET(last, &before))
		last--;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(loop_processors(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void random_octets_differ(void **state)
{
	unsigned char a[1000] = { 0 }, b[1000] = { 0 };
	unsigned zeros = 0;

	(void)state;
	random_fill(a, sizeof(a));
	random_fill(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	assert_true(zeros < 50);
	assert_true(wall_now_ms() > INT64_C(1700000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_of_many_threads_run_once_in_order),
		cmocka_unit_test(posts_before_start_and_after_stop_run),
		cmocka_unit_test(flood_of_posts_starves_no_timer),
		cmocka_unit_test(loop_that_is_awake_is_not_woken),
		cmocka_unit_test(timers_fire_in_order_and_not_early),
		cmocka_unit_test(moving_a_deadline_away_moves_nothing_in_the_heap),
		cmocka_unit_test(timer_may_set_itself_again),
		cmocka_unit_test(signals_come_as_loop_code),
		cmocka_unit_test(only_processors_that_may_be_used_count),
		cmocka_unit_test(random_octets_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
