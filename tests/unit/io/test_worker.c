#include "test.h"

#include "base/mem.h"
#include "base/require.h"
#include "io/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The worker: answers with its pid, how many requests it had, its hello and the request, or does as the
 * request says. */

static bool read_all(void *at, size_t n)
{
	unsigned char *to = at;

	while (n) {
		ssize_t got = read(3, to, n);

		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static bool read_frame(char *at, size_t cap)
{
	uint32_t n;

	if (!read_all(&n, sizeof(n)) || n >= cap || !read_all(at, n))
		return false;
	at[n] = '\0';
	return true;
}

static void write_frame(const void *at, uint32_t n, uint32_t said)
{
	if (write(3, &said, sizeof(said)) != sizeof(said) || write(3, at, n) != (ssize_t)n)
		exit(1);
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 4; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int worker_main(void)
{
	static char hello[1024], request[100000], answer[200000];
	int served = 0;

	if (!read_frame(hello, sizeof(hello)))
		return 1;
	while (read_frame(request, sizeof(request))) {
		if (strcmp(request, "die") == 0)
			return 7;
		if (strcmp(request, "crash") == 0)
			raise(SIGKILL);
		if (strcmp(request, "hang") == 0)
			pause();
		if (strcmp(request, "slow") == 0)
			usleep(100000);
		if (strcmp(request, "long") == 0) {
			write_frame(answer, sizeof(answer), sizeof(answer));
			continue;
		}
		if (strcmp(request, "liar") == 0) {
			write_frame("x", 1, 0xFFFFFFFFU);
			continue;
		}
		if (strcmp(request, "twice") == 0)
			write_frame("one", 3, 3);
		snprintf(answer, sizeof(answer), "%d %d %s %u %s %u", (int)getpid(), ++served,
			 hello, open_descriptors(), request, getuid());
		write_frame(answer, (uint32_t)strlen(answer), (uint32_t)strlen(answer));
	}
	return 0;
}

/* The tests */

static struct worker_spawner *spawner;
static unsigned troubles;
static int last_trouble;

static void on_trouble(void *user, const struct fault *fault)
{
	(void)user;
	require(fault->code < 0 && fault->text[0]);
	last_trouble = fault->code;
	troubles++;
}

struct question {
	struct worker_ask ask;
	unsigned *left;
	bool is_done;
	int pid, served;
	unsigned descriptors, uid;
	char hello[32], echo[32];
};

static void on_answer(struct worker_ask *ask)
{
	struct question *q = list_entry(ask, struct question, ask);
	char text[200] = "";

	require(loop_is_here(ask->home) && !q->is_done);
	require(ask->request.len == 0 && ask->request.at == NULL);
	q->is_done = true;
	if (ask->status == 0 && ask->answer.len < sizeof(text)) {
		memcpy(text, buf_span(&ask->answer).at, ask->answer.len);
		sscanf(text, "%d %d %31s %u %31s %u", &q->pid, &q->served, q->hello,
		       &q->descriptors, q->echo, &q->uid);
	}
	buf_wipe(&ask->answer);
	if (--*q->left == 0)
		loop_stop(ask->home);
}

static void put_question(struct worker_pool *pool, struct loop *home, struct question *q,
			 const char *request, unsigned *left)
{
	*q = (struct question){ .ask = { .home = home, .done = on_answer }, .left = left };
	buf_put_text(&q->ask.request, request);
	worker_ask(pool, &q->ask);
}

/* As put_question(), of the worker that answered `before`. */
static void put_next(struct worker_pool *pool, struct loop *home, struct question *q,
		     const char *request, unsigned *left, const struct question *before)
{
	*q = (struct question){
		.ask = { .home = home, .done = on_answer, .worker = before->ask.worker },
		.left = left
	};
	buf_put_text(&q->ask.request, request);
	worker_ask(pool, &q->ask);
}

static void ask_one(struct worker_pool *pool, struct loop *loop, struct question *q,
		    const char *request)
{
	unsigned left = 1;

	put_question(pool, loop, q, request, &left);
	loop_run(loop);
	assert_true(q->is_done);
}

/* Where the deadline is short: on a busy machine the start of a worker may take longer, too. */
static void ask_until_answered(struct worker_pool *pool, struct loop *loop, struct question *q)
{
	do {
		ask_one(pool, loop, q, "x");
	} while (q->ask.status == -ETIMEDOUT);
	assert_int_equal(q->ask.status, 0);
}

static struct worker_pool *new_pool(struct loop *loop, unsigned most, unsigned waiting,
				    int64_t deadline_ms)
{
	const struct worker_pool_conf conf = { .spawner = spawner,
					       .hello = span_text("hello-1"),
					       .most = most,
					       .waiting = waiting,
					       .deadline_ms = deadline_ms,
					       .answer_octets = 1000,
					       .trouble = on_trouble };

	troubles = 0;
	return worker_pool_new(loop, &conf);
}

static void one_worker_answers_in_turn(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 4, 10, 20000);
	struct question q;
	int pid = 0;

	(void)state;
	for (int i = 1; i <= 5; i++) {
		ask_one(pool, loop, &q, "request");
		assert_int_equal(q.ask.status, 0);
		assert_string_equal(q.hello, "hello-1");
		assert_string_equal(q.echo, "request");
		assert_int_equal(q.descriptors, 0);
		assert_int_equal(q.served, i);
		assert_true(pid == 0 || pid == q.pid);
		assert_int_not_equal(q.pid, getpid());
		pid = q.pid;
	}
	assert_int_equal(troubles, 0);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void more_are_started_up_to_most(void **state)
{
	enum { ASKS = 40 };
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 3, ASKS, 20000);
	static struct question q[ASKS];
	unsigned left = ASKS, pids = 0;

	(void)state;
	for (int i = 0; i < ASKS; i++)
		put_question(pool, loop, &q[i], "x", &left);
	loop_run(loop);
	for (int i = 0; i < ASKS; i++) {
		bool is_new = true;

		assert_int_equal(q[i].ask.status, 0);
		for (int k = 0; k < i; k++)
			is_new = is_new && q[k].pid != q[i].pid;
		pids += is_new;
	}
	assert_true(pids >= 1 && pids <= 3);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void hanging_worker_is_killed_and_replaced(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 10, 300);
	struct question first, hang, after;

	(void)state;
	ask_until_answered(pool, loop, &first);
	troubles = 0;
	ask_one(pool, loop, &hang, "hang");
	assert_int_equal(hang.ask.status, -ETIMEDOUT);
	assert_int_equal(troubles, 1);
	assert_int_equal(last_trouble, -ETIMEDOUT);
	ask_until_answered(pool, loop, &after);
	assert_int_not_equal(after.pid, first.pid);
	/* The spawner has killed and reaped it. */
	for (int i = 0; i < 2000 && kill(first.pid, 0) == 0; i++)
		usleep(1000);
	assert_int_equal(kill(first.pid, 0), -1);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void waiting_ends_at_the_deadline_too(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 10, 300);
	struct question hang, waits;
	unsigned left = 2;

	(void)state;
	put_question(pool, loop, &hang, "hang", &left);
	put_question(pool, loop, &waits, "x", &left);
	loop_run(loop);
	assert_int_equal(hang.ask.status, -ETIMEDOUT);
	assert_int_equal(waits.ask.status, -ETIMEDOUT);
	worker_pool_free(&pool);
	loop_free(&loop);
}

struct withdrawal {
	struct timer when;
	struct question *q;
	int count;
};

static void withdraw_all(struct timer *timer)
{
	struct withdrawal *w = timer_entry(timer, struct withdrawal, when);

	for (int i = 0; i < w->count; i++)
		worker_ask_withdraw(&w->q[i].ask);
}

/* Those that wait end at once and leave their places: for any worker, for a certain one, and one that has
 * not arrived yet. Who is being served already hears the answer. */
static void who_is_not_waited_for_waits_no_longer(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 4, 20000);
	struct withdrawal w = { .when.fire = withdraw_all, .count = 4 };
	struct question first, q[4], late;
	unsigned left = 5;

	(void)state;
	ask_one(pool, loop, &first, "x");
	w.q = q;
	put_question(pool, loop, &q[0], "slow", &left);
	put_question(pool, loop, &q[1], "x", &left);
	put_next(pool, loop, &q[2], "x", &left, &first);
	put_question(pool, loop, &q[3], "x", &left);
	timer_set(loop, &w.when, 20);
	put_question(pool, loop, &late, "x", &left);
	worker_ask_withdraw(&late.ask);
	loop_run(loop);
	assert_int_equal(q[0].ask.status, 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(q[i].ask.status, -ECANCELED);
	assert_int_equal(late.ask.status, -ECANCELED);
	assert_int_equal(troubles, 0);
	ask_one(pool, loop, &late, "x");
	assert_int_equal(late.ask.status, 0);
	assert_int_equal(late.served, 3);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void full_queue_refuses_the_newest(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 2, 400);
	struct question q[5];
	unsigned left = 5, refused = 0;

	(void)state;
	put_question(pool, loop, &q[0], "hang", &left);
	assert_false(worker_pool_is_filling(pool));
	for (int i = 1; i < 5; i++) {
		put_question(pool, loop, &q[i], "x", &left);
		assert_true(worker_pool_is_filling(pool));
	}
	assert_true(worker_pool_is_crowded(pool));
	loop_run(loop);
	assert_false(worker_pool_is_filling(pool));
	assert_false(worker_pool_is_crowded(pool));
	for (int i = 0; i < 5; i++)
		refused += q[i].ask.status == -EAGAIN;
	assert_int_equal(refused, 2);
	assert_int_equal(q[3].ask.status, -EAGAIN);
	assert_int_equal(q[4].ask.status, -EAGAIN);
	worker_pool_free(&pool);
	loop_free(&loop);
}

struct look {
	struct timer again;
	struct loop *loop;
	const struct worker_pool *pool;
	bool saw_crowd;
};

static void look(struct timer *timer)
{
	struct look *l = timer_entry(timer, struct look, again);

	assert_true(worker_pool_is_filling(l->pool) || !worker_pool_is_crowded(l->pool));
	l->saw_crowd |= worker_pool_is_crowded(l->pool);
	timer_set(l->loop, timer, 5);
}

/* With places enough: for any worker, and for a certain one. */
static void line_that_stands_still_is_a_crowd(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 1000, 200);
	struct look l = { .again.fire = look, .loop = loop, .pool = pool };
	struct question first, q[2];
	unsigned left;

	(void)state;
	for (int is_certain = 0; is_certain < 2; is_certain++) {
		left = 2;
		ask_until_answered(pool, loop, &first);
		l.saw_crowd = false;
		put_question(pool, loop, &q[0], "hang", &left);
		if (is_certain)
			put_next(pool, loop, &q[1], "x", &left, &first);
		else
			put_question(pool, loop, &q[1], "x", &left);
		assert_false(worker_pool_is_filling(pool));
		timer_set(loop, &l.again, 5);
		loop_run(loop);
		timer_clear(loop, &l.again);
		assert_true(l.saw_crowd);
		assert_false(worker_pool_is_filling(pool));
	}
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void line_beside_a_free_worker_is_no_crowd(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 2, 1000, 200);
	struct look l = { .again.fire = look, .loop = loop, .pool = pool };
	struct question first, q[2];
	unsigned left = 2;

	(void)state;
	ask_until_answered(pool, loop, &first);
	put_next(pool, loop, &q[0], "hang", &left, &first);
	put_next(pool, loop, &q[1], "x", &left, &first);
	timer_set(loop, &l.again, 5);
	loop_run(loop);
	timer_clear(loop, &l.again);
	assert_int_equal(q[0].ask.status, -ETIMEDOUT);
	assert_int_not_equal(q[1].ask.status, 0);
	assert_false(l.saw_crowd);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void broken_workers_cost_one_answer(void **state)
{
	static const char *const requests[] = { "die", "crash", "long", "liar", "twice" };
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 2, 10, 20000);

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct question q;
		unsigned before = troubles;

		ask_one(pool, loop, &q, requests[i]);
		/* Two answers at once are no answer; one by one the second is unasked for. */
		if (strcmp(requests[i], "twice") != 0 || q.ask.status != 0) {
			assert_int_equal(q.ask.status, -EPIPE);
			assert_int_equal(troubles, before + 1);
		}
		do {
			ask_one(pool, loop, &q, "x");
		} while (q.ask.status == -EPIPE && strcmp(requests[i], "twice") == 0);
		assert_int_equal(q.ask.status, 0);
	}
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void renewed_pool_gives_the_new_hello(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 10, 20000);
	struct question before, during, after;
	unsigned left = 1;

	(void)state;
	ask_one(pool, loop, &before, "x");
	worker_pool_renew(pool, span_text("hello-2"));
	ask_one(pool, loop, &after, "x");
	assert_string_equal(before.hello, "hello-1");
	assert_string_equal(after.hello, "hello-2");
	assert_int_not_equal(before.pid, after.pid);
	assert_int_equal(troubles, 0);
	put_question(pool, loop, &during, "x", &left);
	worker_pool_renew(pool, span_text("hello-3"));
	loop_run(loop);
	assert_int_equal(during.ask.status, 0);
	ask_one(pool, loop, &after, "x");
	assert_string_equal(after.hello, "hello-3");
	worker_pool_free(&pool);
	loop_free(&loop);
}

/* Conversations */

static void ask_next(struct worker_pool *pool, struct loop *loop, struct question *q,
		     const char *request, const struct question *before)
{
	unsigned left = 1;

	put_next(pool, loop, q, request, &left, before);
	loop_run(loop);
	assert_true(q->is_done);
}

/* Two workers, each known. */
static void know_two(struct worker_pool *pool, struct loop *loop, struct question first[2])
{
	unsigned left = 2;

	do {
		left = 2;
		put_question(pool, loop, &first[0], "x", &left);
		put_question(pool, loop, &first[1], "x", &left);
		loop_run(loop);
		assert_int_equal(first[0].ask.status | first[1].ask.status, 0);
	} while (first[0].pid == first[1].pid);
	assert_true(first[0].ask.worker && first[1].ask.worker);
	assert_true(first[0].ask.worker != first[1].ask.worker);
}

static void a_certain_worker_answers(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 2, 10, 20000);
	struct question first[2], q;

	(void)state;
	know_two(pool, loop, first);
	for (int i = 0; i < 20; i++) {
		ask_next(pool, loop, &q, "x", &first[i / 3 % 2]);
		assert_int_equal(q.ask.status, 0);
		assert_int_equal(q.pid, first[i / 3 % 2].pid);
		assert_true(q.ask.worker == first[i / 3 % 2].ask.worker);
	}
	worker_pool_free(&pool);
	loop_free(&loop);
}

/* It waits for the one that works, although another is idle. */
static void a_certain_worker_is_awaited(void **state)
{
	enum { ASKS = 12 };
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 2, ASKS, 20000);
	struct question first[2];
	static struct question q[ASKS];
	unsigned left = ASKS;
	int served[2] = { 0 };

	(void)state;
	know_two(pool, loop, first);
	for (int i = 0; i < ASKS; i++)
		put_next(pool, loop, &q[i], "x", &left, &first[i < ASKS / 2]);
	loop_run(loop);
	for (int i = 0; i < ASKS; i++) {
		int *last = &served[i < ASKS / 2];

		assert_int_equal(q[i].ask.status, 0);
		assert_int_equal(q[i].pid, first[i < ASKS / 2].pid);
		assert_true(*last == 0 || q[i].served == *last + 1);
		*last = q[i].served;
	}
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void a_worker_that_has_gone_is_stale(void **state)
{
	static const struct {
		const char *request;
		int status;
		int64_t deadline_ms;
	} ends[] = { { "hang", -ETIMEDOUT, 300 },
		     { "die", -EPIPE, 20000 },
		     { "crash", -EPIPE, 20000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct loop *loop = loop_new("test");
		struct worker_pool *pool = new_pool(loop, 1, 10, ends[i].deadline_ms);
		struct question first, last, waits[2], other, after;
		unsigned left = 4;

		ask_until_answered(pool, loop, &first);
		put_next(pool, loop, &last, ends[i].request, &left, &first);
		put_next(pool, loop, &waits[0], "x", &left, &first);
		put_next(pool, loop, &waits[1], "x", &left, &first);
		put_question(pool, loop, &other, "x", &left);
		loop_run(loop);
		assert_int_equal(last.ask.status, ends[i].status);
		assert_int_equal(waits[0].ask.status, -ESTALE);
		assert_int_equal(waits[1].ask.status, -ESTALE);
		/* Came in the same moment, so its time may be over too. */
		assert_true(other.ask.status == 0 || ends[i].status == -ETIMEDOUT);
		ask_next(pool, loop, &after, "x", &first);
		assert_int_equal(after.ask.status, -ESTALE);
		ask_until_answered(pool, loop, &after);
		assert_true(after.ask.worker > first.ask.worker);
		worker_pool_free(&pool);
		loop_free(&loop);
	}
}

static void a_reload_ends_conversations(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 10, 20000);
	struct question first, works, waits, after;
	unsigned left = 2;

	(void)state;
	ask_one(pool, loop, &first, "x");
	worker_pool_renew(pool, span_text("hello-2"));
	ask_next(pool, loop, &after, "x", &first);
	assert_int_equal(after.ask.status, -ESTALE);
	ask_one(pool, loop, &first, "x");
	put_next(pool, loop, &works, "slow", &left, &first);
	put_next(pool, loop, &waits, "x", &left, &first);
	loop_stop(loop);
	loop_run(loop);
	worker_pool_renew(pool, span_text("hello-3"));
	loop_run(loop);
	assert_int_equal(works.ask.status, 0);
	assert_string_equal(works.hello, "hello-2");
	assert_int_equal(waits.ask.status, -ESTALE);
	ask_one(pool, loop, &after, "x");
	assert_string_equal(after.hello, "hello-3");
	assert_int_equal(troubles, 0);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void all_lines_together_are_bounded(void **state)
{
	static const int certain[] = { 1, 1, 0, 1, 0 }; /* asked behind the one that hangs */
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 3, 400);
	struct question first, hang, q[5];
	unsigned left = 6;

	(void)state;
	ask_until_answered(pool, loop, &first);
	put_question(pool, loop, &hang, "hang", &left);
	for (int i = 0; i < 5; i++) {
		if (certain[i])
			put_next(pool, loop, &q[i], "x", &left, &first);
		else
			put_question(pool, loop, &q[i], "x", &left);
	}
	loop_run(loop);
	assert_int_equal(q[0].ask.status, -ESTALE);
	assert_int_equal(q[1].ask.status, -ESTALE);
	assert_true(q[2].ask.status == 0 || q[2].ask.status == -ETIMEDOUT);
	assert_int_equal(q[3].ask.status, -EAGAIN);
	assert_int_equal(q[4].ask.status, -EAGAIN);
	worker_pool_free(&pool);
	loop_free(&loop);
}

/* A conversation that goes on as soon as it is answered, many times, on the only worker. */
struct talk {
	struct question q;
	struct worker_pool *pool;
	unsigned rounds, *left;
};

static void on_talk(struct worker_ask *ask)
{
	struct talk *talk = list_entry(list_entry(ask, struct question, ask), struct talk, q);

	require(ask->status == 0 || *talk->left == 0);
	buf_wipe(&ask->answer);
	talk->rounds++;
	/* Until nobody else waits any more. */
	if (*talk->left) {
		buf_put_text(&ask->request, "x");
		worker_ask(talk->pool, ask);
	} else {
		loop_stop(ask->home);
	}
}

static void on_other(struct worker_ask *ask)
{
	struct question *q = list_entry(ask, struct question, ask);

	require(ask->status == 0);
	q->is_done = true;
	buf_wipe(&ask->answer);
	--*q->left;
}

static void conversations_starve_nobody(void **state)
{
	enum { TALKS = 3, OTHERS = 10 };
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, TALKS + OTHERS, 20000);
	static struct talk talks[TALKS];
	static struct question others[OTHERS];
	struct question first;
	unsigned left = OTHERS;

	(void)state;
	ask_one(pool, loop, &first, "x");
	for (int i = 0; i < TALKS; i++) {
		talks[i] = (struct talk){ .pool = pool, .left = &left };
		talks[i].q.ask = (struct worker_ask){ .home = loop,
						      .done = on_talk,
						      .worker = first.ask.worker };
		buf_put_text(&talks[i].q.ask.request, "x");
		worker_ask(pool, &talks[i].q.ask);
	}
	for (int i = 0; i < OTHERS; i++) {
		others[i] = (struct question){ .ask = { .home = loop, .done = on_other },
					       .left = &left };
		buf_put_text(&others[i].ask.request, "x");
		worker_ask(pool, &others[i].ask);
	}
	loop_run(loop);
	for (int i = 0; i < OTHERS; i++)
		assert_true(others[i].is_done);
	for (int i = 0; i < TALKS; i++)
		assert_true(talks[i].rounds >= 1);
	worker_pool_free(&pool);
	loop_run(loop);
	loop_free(&loop);
}

static void asks_from_other_loops_are_answered_there(void **state)
{
	enum { ASKS = 50 };
	struct loop *home = loop_new("pool"), *other = loop_new("asker");
	struct worker_pool *pool = new_pool(home, 2, ASKS, 20000);
	static struct question q[ASKS];
	unsigned left = ASKS;

	(void)state;
	loop_start(home);
	for (int i = 0; i < ASKS; i++)
		put_question(pool, other, &q[i], "x", &left);
	loop_run(other);
	for (int i = 0; i < ASKS; i++)
		assert_int_equal(q[i].ask.status, 0);
	loop_stop(home);
	loop_join(home);
	worker_pool_free(&pool);
	loop_free(&home);
	loop_free(&other);
}

static void freeing_ends_what_is_under_way(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 10, 20000);
	struct question warm, hang, waits, in_line;
	unsigned left = 3;

	(void)state;
	ask_one(pool, loop, &warm, "x");
	put_question(pool, loop, &hang, "hang", &left);
	put_question(pool, loop, &waits, "x", &left);
	put_next(pool, loop, &in_line, "x", &left, &warm);
	loop_stop(loop);
	loop_run(loop);
	worker_pool_free(&pool);
	loop_run(loop);
	assert_int_equal(hang.ask.status, -ECANCELED);
	assert_int_equal(waits.ask.status, -ECANCELED);
	assert_int_equal(in_line.ask.status, -ECANCELED);
	loop_free(&loop);
}

static void lost_spawner_is_trouble_not_a_hang(void **state)
{
	const char *const argv[] = { "worker", "--worker", NULL };
	const struct worker_spawner_conf conf = { .argv = argv };
	struct loop *loop = loop_new("test");
	struct worker_spawner *kept = spawner;
	struct worker_pool *pool;
	struct question q;
	struct fault fault;

	(void)state;
	spawner = worker_spawner_start(&conf, &fault);
	assert_non_null(spawner);
	pool = new_pool(loop, 2, 10, 20000);
	ask_one(pool, loop, &q, "x");
	assert_int_equal(q.ask.status, 0);
	/* Its workers go with it. */
	worker_spawner_stop(&spawner);
	for (int i = 0; i < 5000 && kill(q.pid, 0) == 0; i++)
		usleep(1000);
	worker_pool_free(&pool);
	loop_free(&loop);
	spawner = kept;
}

static void a_lack_of_workers_is_no_full_queue(void **state)
{
	struct loop *loop = loop_new("test");
	struct worker_pool *pool = new_pool(loop, 1, 10, 20000);
	struct rlimit before, few;
	struct question q;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	troubles = 0;
	ask_one(pool, loop, &q, "x");
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(q.ask.status, -ECHILD);
	assert_int_equal(troubles, 1);
	assert_int_equal(last_trouble, -EMFILE);
	ask_one(pool, loop, &q, "x");
	assert_int_equal(q.ask.status, 0);
	worker_pool_free(&pool);
	loop_free(&loop);
}

static void unknown_user_is_explained(void **state)
{
	const char *const argv[] = { "worker", "--worker", NULL };
	const struct worker_spawner_conf conf = { .argv = argv, .user = "no-such-user-here" };
	struct fault fault = { 0 };

	(void)state;
	assert_null(worker_spawner_start(&conf, &fault));
	assert_true(fault.code < 0);
	assert_non_null(strstr(fault.text, "no-such-user-here"));
}

static void workers_run_as_another_user(void **state)
{
	const char *const argv[] = { "worker", "--worker", NULL };
	const struct worker_spawner_conf conf = { .argv = argv, .user = "nobody" };
	const struct passwd *nobody = getpwnam("nobody");
	struct worker_spawner *kept = spawner;
	struct worker_pool *pool;
	struct question q;
	struct fault fault;
	struct loop *loop;

	(void)state;
	if (geteuid() != 0 || nobody == NULL)
		skip();
	spawner = worker_spawner_start(&conf, &fault);
	assert_non_null(spawner);
	loop = loop_new("test");
	pool = new_pool(loop, 1, 10, 20000);
	ask_one(pool, loop, &q, "x");
	assert_int_equal(q.ask.status, 0);
	assert_int_equal(q.uid, nobody->pw_uid);
	worker_pool_free(&pool);
	loop_free(&loop);
	worker_spawner_stop(&spawner);
	spawner = kept;
}

static int teardown(void **state)
{
	(void)state;
	worker_spawner_stop(&spawner);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const worker_argv[] = { "worker", "--worker", NULL };
	const struct worker_spawner_conf conf = { .argv = worker_argv };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_answers_in_turn),
		cmocka_unit_test(more_are_started_up_to_most),
		cmocka_unit_test(hanging_worker_is_killed_and_replaced),
		cmocka_unit_test(waiting_ends_at_the_deadline_too),
		cmocka_unit_test(who_is_not_waited_for_waits_no_longer),
		cmocka_unit_test(full_queue_refuses_the_newest),
		cmocka_unit_test(line_that_stands_still_is_a_crowd),
		cmocka_unit_test(line_beside_a_free_worker_is_no_crowd),
		cmocka_unit_test(broken_workers_cost_one_answer),
		cmocka_unit_test(renewed_pool_gives_the_new_hello),
		cmocka_unit_test(a_certain_worker_answers),
		cmocka_unit_test(a_certain_worker_is_awaited),
		cmocka_unit_test(a_worker_that_has_gone_is_stale),
		cmocka_unit_test(a_reload_ends_conversations),
		cmocka_unit_test(all_lines_together_are_bounded),
		cmocka_unit_test(conversations_starve_nobody),
		cmocka_unit_test(asks_from_other_loops_are_answered_there),
		cmocka_unit_test(freeing_ends_what_is_under_way),
		cmocka_unit_test(lost_spawner_is_trouble_not_a_hang),
		cmocka_unit_test(a_lack_of_workers_is_no_full_queue),
		cmocka_unit_test(unknown_user_is_explained),
		cmocka_unit_test(workers_run_as_another_user),
	};
	struct fault fault;

	if (argc > 1 && strcmp(argv[1], "--worker") == 0)
		return worker_main();
	spawner = worker_spawner_start(&conf, &fault);
	require(spawner != NULL);
	return cmocka_run_group_tests(tests, NULL, teardown);
}
