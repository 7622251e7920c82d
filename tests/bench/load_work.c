#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256 };

static void fatal(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(71);
}

static void queue(struct link *l, struct links *in)
{
	TAILQ_INSERT_TAIL(in, l, entry);
	l->queue = in;
}

static void unqueue(struct link *l)
{
	if (l->queue)
		TAILQ_REMOVE(l->queue, l, entry);
	l->queue = NULL;
}

/* Each queue of pauses holds pauses of one length: its first is due first. */
static void pause_in(struct link *l, struct links *in, int64_t us)
{
	l->due_us = now_us() + us;
	queue(l, in);
}

static void opening_over(struct link *l)
{
	struct worker *w = l->worker;

	if (!l->is_opening)
		return;
	l->is_opening = false;
	w->opening--;
	if (!l->is_settled)
		w->settled++;
	l->is_settled = true;
}

static void message_over(struct link *l)
{
	l->has_message = false;
	l->worker->under_way--;
}

static void lose_message(struct link *l)
{
	l->worker->failures++;
	if (l->has_message)
		message_over(l);
}

void work_open(struct link *l)
{
	opening_over(l);
	if (l->has_message)
		link_begin(l);
	else
		work_ready(l);
}

void work_ready(struct link *l)
{
	if (l->worker->is_closing)
		link_quit(l);
	else
		queue(l, &l->worker->ready);
}

void work_sent(struct link *l)
{
	struct worker *w = l->worker;

	w->last_us = now_us();
	w->messages++;
	/* What a slow client waits is its own doing. */
	if (!l->is_slow) {
		figures_add(&w->latency, w->last_us - l->message_us);
		slices_add(l->number, w->last_us - l->message_us);
	}
	message_over(l);
}

void work_rests(struct link *l)
{
	pause_in(l, &l->worker->slow, TICK_US);
}

void work_ended(struct link *l, enum ending how)
{
	struct worker *w = l->worker;
	bool is_hopeless = how == ENDED_FAILED && l->is_opening;

	unqueue(l);
	opening_over(l);
	w->open--;
	if (how == ENDED_FAILED)
		lose_message(l);
	else if (how == ENDED_REFUSED)
		w->refused++;
	if (w->is_closing || (!set.is_one_each && (!set.keeps_going || is_hopeless)))
		w->alive--;
	else if (set.keeps_going && how != ENDED_IN_ORDER)
		pause_in(l, &w->resting, (int64_t)set.pause_ms * 1000);
	else
		queue(l, &w->ready);
}

static void open_link(struct link *l)
{
	unqueue(l);
	l->worker->open++;
	l->is_opening = true;
	l->worker->opening++;
	link_open(l);
}

/* Not all at once: a server's queue of connections not yet accepted is short. */
static void open_some(struct worker *w)
{
	while (w->opening < OPENING_MOST && !TAILQ_EMPTY(&w->unopened))
		open_link(TAILQ_FIRST(&w->unopened));
}

static int64_t message_due(const struct worker *w, unsigned number)
{
	(void)w;
	return all.begun_us + (int64_t)((double)number * 1e6 / set.rate);
}

/* Open loop: each thread has every so manieth message, so that none waits for another thread. */
static bool next_due(struct worker *w, struct link *l, int64_t now)
{
	unsigned number = w->index + w->begun * set.threads;

	if (number >= set.messages || message_due(w, number) > now)
		return false;
	l->number = number;
	l->message_us = message_due(w, number);
	w->late += now - l->message_us > LATE_US;
	return true;
}

static bool is_time_over(int64_t now)
{
	return set.seconds > 0 && now >= all.begun_us + (int64_t)(set.seconds * 1e6);
}

static bool next_free(struct link *l, int64_t now)
{
	if (is_time_over(now) || (set.messages && all.next >= set.messages))
		return false;
	l->number = all.next++;
	l->message_us = now;
	return set.messages == 0 || l->number < set.messages;
}

static void begin_message(struct worker *w, struct link *l)
{
	unqueue(l);
	w->begun++;
	w->under_way++;
	l->has_message = true;
	if (l->state == LINK_CLOSED)
		open_link(l);
	else
		link_begin(l);
}

static void begin_some(struct worker *w)
{
	struct link *l;

	while ((l = TAILQ_FIRST(&w->ready)) != NULL) {
		int64_t now = now_us();

		if (set.rate > 0 ? !next_due(w, l, now) : !next_free(l, now))
			return;
		begin_message(w, l);
	}
}

static bool has_more(const struct worker *w)
{
	if (w->alive == 0)
		return false;
	if (set.rate > 0)
		return w->index + w->begun * set.threads < set.messages;
	if (set.seconds > 0)
		return !is_time_over(now_us());
	return all.next < set.messages;
}

static void tick_slow(struct worker *w, int64_t now)
{
	struct link *l;

	while ((l = TAILQ_FIRST(&w->slow)) != NULL && l->due_us <= now) {
		unqueue(l);
		link_tick(l);
	}
}

/* What was refused is tried again, with its message where each has a connection of its own. */
static void end_rest(struct worker *w, struct link *l, int64_t now)
{
	unqueue(l);
	if (l->has_message && is_time_over(now))
		message_over(l);
	if (!set.is_one_each)
		queue(l, &w->unopened);
	else if (l->has_message)
		open_link(l);
	else
		queue(l, &w->ready);
}

static void end_rests(struct worker *w, int64_t now)
{
	struct link *l;

	while (!w->is_closing && (l = TAILQ_FIRST(&w->resting)) != NULL && l->due_us <= now)
		end_rest(w, l, now);
}

static void sooner(int64_t *at, int64_t other)
{
	if (other < *at)
		*at = other;
}

/* When something is due without any event. */
static int64_t next_time(const struct worker *w, int64_t now)
{
	int64_t at = now + (w->is_closing ? CLOSING_US : SILENCE_US);

	if (!TAILQ_EMPTY(&w->slow))
		sooner(&at, TAILQ_FIRST(&w->slow)->due_us);
	if (!TAILQ_EMPTY(&w->resting) && !w->is_closing)
		sooner(&at, TAILQ_FIRST(&w->resting)->due_us);
	if (w->is_running && set.rate > 0 && !TAILQ_EMPTY(&w->ready) && has_more(w))
		sooner(&at, message_due(w, w->index + w->begun * set.threads));
	return at;
}

/* False: nothing at all for a long time. */
static bool turn(struct worker *w)
{
	struct epoll_event events[EVENTS];
	int64_t now = now_us(), pause = next_time(w, now) - now;
	struct timespec wait = { .tv_sec = pause / 1000000, .tv_nsec = pause % 1000000 * 1000 };
	int n;

	if (pause < 0)
		wait = (struct timespec){ 0 };
	n = epoll_pwait2(w->epoll, events, EVENTS, &wait, NULL);
	if (n < 0 && errno != EINTR)
		fatal("epoll_wait");
	for (int i = 0; i < n; i++)
		link_event(events[i].data.ptr, events[i].events);
	now = now_us();
	tick_slow(w, now);
	end_rests(w, now);
	open_some(w);
	if (w->is_running)
		begin_some(w);
	return n != 0 || pause < SILENCE_US;
}

static void give_up(struct worker *w)
{
	tell_failure("the server", "silent for too long");
	w->failures += w->under_way ? w->under_way : 1;
	w->under_way = 0;
}

void worker_open(struct worker *w)
{
	for (unsigned i = 0; i < w->link_count; i++)
		queue(&w->links[i], set.is_one_each ? &w->ready : &w->unopened);
	if (set.is_one_each)
		return;
	open_some(w);
	while (w->settled < w->link_count) {
		if (!turn(w)) {
			give_up(w);
			return;
		}
	}
}

void worker_work(struct worker *w)
{
	w->is_running = true;
	begin_some(w);
	while (w->under_way || has_more(w)) {
		if (!turn(w)) {
			give_up(w);
			break;
		}
	}
	w->is_running = false;
}

/* Whether they live. */
void worker_noop(struct worker *w)
{
	struct link *l;

	while ((l = TAILQ_FIRST(&w->ready)) != NULL) {
		unqueue(l);
		w->under_way++;
		l->has_message = true;
		l->message_us = now_us();
		link_noop(l);
	}
	while (w->under_way) {
		if (!turn(w)) {
			give_up(w);
			return;
		}
	}
}

/* In order where that is quick. */
void worker_close(struct worker *w)
{
	int64_t end = now_us() + CLOSING_US;
	struct link *l;

	w->is_closing = true;
	while ((l = TAILQ_FIRST(&w->ready)) != NULL) {
		unqueue(l);
		if (l->state != LINK_CLOSED)
			link_quit(l);
	}
	while (w->open > w->opening && now_us() < end)
		turn(w);
}

void worker_init(struct worker *w, unsigned index)
{
	*w = (struct worker){ .index = index };
	w->link_count = set.connections / set.threads + (index < set.connections % set.threads);
	w->alive = w->link_count;
	w->links = calloc(w->link_count, sizeof(*w->links));
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->links == NULL || w->epoll < 0)
		fatal("epoll");
	TAILQ_INIT(&w->unopened);
	TAILQ_INIT(&w->ready);
	TAILQ_INIT(&w->resting);
	TAILQ_INIT(&w->slow);
	for (unsigned i = 0; i < w->link_count; i++) {
		w->links[i].worker = w;
		w->links[i].is_slow =
			(unsigned)((i + 1) * set.slow_share) > (unsigned)(i * set.slow_share);
	}
}

void worker_fini(struct worker *w)
{
	for (unsigned i = 0; i < w->link_count; i++)
		link_drop(&w->links[i]);
	free(w->links);
	free(w->known.data);
	close(w->epoll);
}
