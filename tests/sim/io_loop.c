#include "io.h"

#include "base/mem.h"
#include "base/require.h"
#include "net.h"

#include <stdlib.h>

struct loop {
	struct list_node node; /* in `loops` */
	struct work *first, **end;
	struct event turn, clock;
	struct heap timers;
};

unsigned io_life;

static struct list loops = { .head = { &loops.head, &loops.head } };
static int64_t boot_ms; /* the monotonic clock is ahead of the world's time by so much */

void io_begin(unsigned life)
{
	io_life = life;
	boot_ms = pick_between(1, 1000000);
}

void io_crash(bool is_power_cut)
{
	io_streams_crash(is_power_cut);
	io_lanes_crash();
	io_loops_crash();
}

size_t io_left(void)
{
	return io_streams_left() + io_lanes_left() + io_loops_left();
}

int64_t io_wall_ms(void)
{
	return INT64_C(1800000000000) + world.now_ms + world.wall_offset_ms;
}

int64_t wall_now_ms(void)
{
	return io_wall_ms();
}

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return world.now_ms + boot_ms;
}

/* No time passes within a turn: any may be a long one. */
bool loop_is_late(const struct loop *loop)
{
	(void)loop;
	return once_in(4);
}

int64_t loop_wait_ms(const struct loop *loop)
{
	(void)loop;
	return 0;
}

void random_fill(void *at, size_t n)
{
	unsigned char *to = at;

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)pick(256);
}

bool loop_is_here(const struct loop *loop)
{
	(void)loop;
	return true;
}

/* Posted work */

static void run_turn(struct event *event)
{
	struct loop *loop = event_entry(event, struct loop, turn);
	struct work *w = loop->first;
	enum owner before = memory_enter(OWNER_PROCESS);

	loop->first = NULL;
	loop->end = &loop->first;
	while (w) {
		struct work *next = w->next;

		w->next = NULL;
		w->run(w);
		w = next;
	}
	memory_leave(before);
}

void loop_post(struct loop *loop, struct work *work)
{
	work->next = NULL;
	*loop->end = work;
	loop->end = &work->next;
	if (!event_is_set(&loop->turn))
		event_set(&loop->turn, once_in(8) ? pick_between(0, 3) : 0);
}

void loop_post_home(void *loop, struct work *work)
{
	loop_post(loop, work);
}

/* Deadlines */

static void arm(struct loop *loop)
{
	const struct heap_node *first = heap_first(&loop->timers);

	event_clear(&loop->clock);
	if (first)
		event_set(&loop->clock, first->key - world.now_ms);
}

static void run_clock(struct event *event)
{
	struct loop *loop = event_entry(event, struct loop, clock);
	struct heap_node *n;

	while ((n = heap_first(&loop->timers)) && n->key <= world.now_ms) {
		struct timer *timer = timer_entry(n, struct timer, node);
		enum owner before = memory_enter(OWNER_PROCESS);

		heap_remove(&loop->timers, n);
		timer->fire(timer);
		memory_leave(before);
	}
	arm(loop);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms)
{
	enum owner before = memory_enter(OWNER_WORLD);
	const int64_t most = INT64_C(1) << 41;

	in_ms = in_ms < 1 ? 1 : in_ms > most ? most : in_ms;
	heap_remove(&loop->timers, &timer->node);
	heap_insert(&loop->timers, &timer->node, world.now_ms + in_ms);
	if (!event_is_set(&loop->clock) || heap_first(&loop->timers) == &timer->node)
		arm(loop);
	memory_leave(before);
}

/* An early wake-up costs nothing. */
void timer_clear(struct loop *loop, struct timer *timer)
{
	heap_remove(&loop->timers, &timer->node);
	if (loop->timers.count == 0)
		event_clear(&loop->clock);
}

/* Life */

struct loop *loop_new(const char *thread_name)
{
	enum owner before = memory_enter(OWNER_WORLD);
	struct loop *loop = mem_new(struct loop);

	(void)thread_name;
	loop->end = &loop->first;
	loop->turn.fire = run_turn;
	loop->clock.fire = run_clock;
	list_push_back(&loops, &loop->node);
	memory_leave(before);
	return loop;
}

void loop_free(struct loop **loop_at)
{
	struct loop *loop = *loop_at;

	*loop_at = NULL;
	event_clear(&loop->turn);
	event_clear(&loop->clock);
	heap_fini(&loop->timers);
	list_remove(&loops, &loop->node);
	free(loop);
}

void io_loops_crash(void)
{
	struct list_node *node;

	while ((node = list_first(&loops)) != NULL) {
		struct loop *loop = list_entry(node, struct loop, node);

		loop_free(&loop);
	}
}

size_t io_loops_left(void)
{
	size_t n = 0;

	list_each (&loops, node) {
		struct loop *loop = list_entry(node, struct loop, node);

		n += loop->timers.count + (loop->first != NULL);
	}
	return n;
}
