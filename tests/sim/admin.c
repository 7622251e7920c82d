#include "admin.h"

#include "daemon.h"
#include "ledger.h"
#include "plan.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

struct errand {
	struct queue_order order;
	struct list_node node; /* in `errands` */
	struct letter *letter;
	bool is_first; /* to remove it */
};

static struct list errands = { .head = { &errands.head, &errands.head } };

static const char *const action_names[] = { "flush",  "hold",	"release",
					    "remove", "bounce", "reroute" };

static void on_done(struct queue_order *order, int status, const struct fault *fault)
{
	struct errand *e = list_entry(order, struct errand, order);
	enum owner before = memory_enter(OWNER_WORLD);
	struct letter *l = e->letter;

	(void)fault;
	tell("administrator: %s of letter %u is done: %d", action_names[order->action], l->number,
	     status);
	if (status && status != -ENOENT && !the_daemon.is_stopping && !ledger_has_had_trouble())
		fail("an order fails without a reason: %d", status);
	if (order->action == QUEUE_HOLD && status == 0)
		l->held_ms = world.now_ms;
	if (order->action == QUEUE_REMOVE && status == 0)
		l->removed_ms = world.now_ms;
	else if (e->is_first && status == -ENOENT)
		l->removing_ms = -1;
	list_remove(&errands, &e->node);
	free(e);
	plan_tempt(8);
	memory_leave(before);
}

/* *stand_out: where it stands; HELD too where it is nowhere. */
static struct queue *queue_of(uint64_t qid, enum queue_stand *stand_out)
{
	struct queue_view view;

	*stand_out = QUEUE_STAND_HELD;
	for (unsigned i = 0; i < the_daemon.shards; i++) {
		if (!queue_find(the_daemon.queues[i], qid, &view))
			continue;
		*stand_out = view.stand;
		return the_daemon.queues[i];
	}
	return the_daemon.queues[0];
}

static bool has_errand(const struct letter *l)
{
	list_each (&errands, node)
		if (list_entry(node, struct errand, node)->letter == l)
			return true;
	return false;
}

static void order(struct letter *l, enum queue_action action)
{
	struct errand *e = mem_new(struct errand);
	enum queue_stand stand;
	struct queue *queue;
	enum owner before;

	tell("administrator: %s letter %u", action_names[action], l->number);
	e->letter = l;
	e->order.action = action;
	e->order.done = on_done;
	list_push_back(&errands, &e->node);
	e->is_first = action == QUEUE_REMOVE && l->removing_ms < 0;
	if (e->is_first)
		l->removing_ms = world.now_ms;
	l->is_flushed |= action == QUEUE_FLUSH;
	if (action == QUEUE_RELEASE)
		l->held_ms = -1;
	if (action == QUEUE_FLUSH || action == QUEUE_RELEASE || action == QUEUE_REROUTE)
		smarthosts_hurried();
	before = memory_enter(OWNER_PROCESS);
	queue = queue_of(l->qid, &stand);
	if (action == QUEUE_REMOVE && l->removed_ms < 0) {
		l->was_active = stand == QUEUE_STAND_ACTIVE;
		l->removed_life = the_daemon.life;
	}
	queue_act(queue, l->qid, &e->order);
	memory_leave(before);
}

void admin_act(void)
{
	unsigned count = 0;
	struct letter *l;

	while (ledger_look(count))
		count++;
	if (count == 0 || !the_daemon.is_up || the_daemon.is_stopping)
		return;
	l = ledger_look((unsigned)pick(count));
	if (!has_errand(l))
		order(l, (enum queue_action)pick(6));
}

void admin_release_all(void)
{
	struct letter *l;

	if (!the_daemon.is_up || the_daemon.is_stopping)
		return;
	for (unsigned i = 0; (l = ledger_look(i)) != NULL; i++)
		if (!has_errand(l))
			order(l, QUEUE_RELEASE);
}

struct look {
	size_t seen;
	uint64_t qids[256];
};

static void see(void *user, const struct queue_view *view)
{
	struct look *look = user;
	uint64_t qid = view->envelope->qid;

	for (size_t i = 0; i < look->seen; i++)
		if (look->qids[i] == qid)
			fail("a walk sees a message twice");
	if (look->seen < 256)
		look->qids[look->seen++] = qid;
}

void admin_look(void)
{
	enum owner before;

	if (!the_daemon.is_up || the_daemon.is_stopping)
		return;
	before = memory_enter(OWNER_PROCESS);
	for (unsigned i = 0; i < the_daemon.shards; i++) {
		struct queue *queue = the_daemon.queues[i];
		struct queue_walk walk;
		struct look look = { 0 };
		struct queue_view view;

		queue_walk_init(&walk, queue);
		while (queue_walk(&walk, (size_t)pick_between(1, 5), see, &look))
			;
		queue_walk_fini(&walk);
		if (look.seen != queue_length(queue) && look.seen < 256)
			fail("a walk sees %zu messages of %zu", look.seen, queue_length(queue));
		for (size_t k = 0; k < look.seen; k++)
			if (!queue_find(queue, look.qids[k], &view))
				fail("a message that a walk saw is not found");
	}
	memory_leave(before);
}

unsigned admin_crash(void)
{
	struct list_node *node;
	unsigned n = 0;

	for (; (node = list_pop_front(&errands)) != NULL; n++)
		free(list_entry(node, struct errand, node));
	return n;
}
