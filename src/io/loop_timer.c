#include "loop_inside.h"

static void on_clock(uv_timer_t *clock);

static void arm(struct loop *loop)
{
	const struct heap_node *first = heap_first(&loop->timers);
	int64_t now = loop_now_ms(loop);

	if (loop->is_running_down || first == NULL || first->key >= loop->armed_ms)
		return;
	loop->armed_ms = first->key;
	uv_timer_start(&loop->clock, on_clock, (uint64_t)(first->key > now ? first->key - now : 0),
		       0);
}

/* False: it was moved meanwhile, and only now goes to its place. */
static bool is_due(struct loop *loop, struct timer *timer)
{
	heap_remove(&loop->timers, &timer->node);
	if (timer->node.key >= timer->due_ms)
		return true;
	heap_insert(&loop->timers, &timer->node, timer->due_ms);
	return false;
}

static void on_clock(uv_timer_t *clock)
{
	struct loop *loop = clock->data;
	int64_t now = loop_now_ms(loop);
	struct heap_node *n;

	loop->armed_ms = INT64_MAX;
	while ((n = heap_first(&loop->timers)) && n->key <= now) {
		struct timer *timer = timer_entry(n, struct timer, node);

		if (is_due(loop, timer))
			timer->fire(timer);
	}
	arm(loop);
}

void loop_timers_init(struct loop *loop)
{
	uv_timer_init(&loop->uv, &loop->clock);
	loop->clock.data = loop;
	loop->armed_ms = INT64_MAX;
}

/* Almost every deadline is moved away before it comes, and again with the next command. It keeps its
 * place in the heap until that place comes up. */
void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms)
{
	const int64_t most = INT64_C(1) << 42; /* more than a century */

	/* Before it runs, nobody keeps the loop's clock. */
	if (!loop_is_here(loop))
		uv_update_time(&loop->uv);
	/* At least 1: a timer set again by its own fire() waits for a later turn. */
	in_ms = in_ms < 1 ? 1 : in_ms > most ? most : in_ms;
	timer->due_ms = loop_now_ms(loop) + in_ms;
	if (heap_holds(&timer->node) && timer->node.key <= timer->due_ms)
		return;
	heap_remove(&loop->timers, &timer->node);
	heap_insert(&loop->timers, &timer->node, timer->due_ms);
	arm(loop);
}

void timer_clear(struct loop *loop, struct timer *timer)
{
	/* The kernel's timer stays: one early wake-up costs less than moving it each time. */
	heap_remove(&loop->timers, &timer->node);
}

int64_t loop_now_ms(const struct loop *loop)
{
	return (int64_t)uv_now(&loop->uv);
}

bool loop_is_late(const struct loop *loop)
{
	enum { TURN_MS = 4, NS_PER_MS = 1000000 };

	return uv_hrtime() / NS_PER_MS >= uv_now(&loop->uv) + TURN_MS;
}
