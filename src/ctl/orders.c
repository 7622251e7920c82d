#include "orders.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Tells the client that it is not forgotten, and us whether it is still there. */
enum { TELL_MS = 2000 };

enum { FAILED_MOST = 100 };

struct order {
	struct queue_order order;
	struct list_node node; /* in orders->open */
	struct ctl_orders *orders;
	uint64_t qid;
};

struct failed {
	uint64_t qid;
	struct fault fault;
};

struct ctl_orders {
	_Atomic unsigned refs;
	enum queue_action action;
	int changed;	      /* an eventfd, readable once no more than wake_at are open */
	pthread_mutex_t lock; /* of what follows */
	struct list open;
	size_t wake_at;
	size_t done, missing, failed;
	uint64_t missed[CTL_IDS_MOST];
	struct failed failures[FAILED_MOST];
};

struct ctl_orders *ctl_orders_new(enum queue_action action, struct fault *fault)
{
	int changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct ctl_orders *orders;

	if (changed < 0) {
		fault_set(fault, -errno, "no descriptor is left: raise LimitNOFILE");
		return NULL;
	}
	orders = mem_new(struct ctl_orders);
	atomic_store(&orders->refs, 1);
	orders->action = action;
	orders->changed = changed;
	pthread_mutex_init(&orders->lock, NULL);
	list_init(&orders->open);
	return orders;
}

struct ctl_orders *ctl_orders_ref(struct ctl_orders *orders)
{
	atomic_fetch_add(&orders->refs, 1);
	return orders;
}

void ctl_orders_unref(struct ctl_orders **orders)
{
	struct ctl_orders *o = *orders;

	*orders = NULL;
	if (o == NULL || atomic_fetch_sub(&o->refs, 1) != 1)
		return;
	close(o->changed);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static void note_failure(struct ctl_orders *orders, uint64_t qid, int status,
			 const struct fault *fault)
{
	struct failed *one;

	if (orders->failed++ >= FAILED_MOST)
		return;
	one = &orders->failures[orders->failed - 1];
	one->qid = qid;
	if (fault && fault->code)
		one->fault = *fault;
	else
		fault_set(&one->fault, status, "%s", strerror(-status));
}

static void on_done(struct queue_order *base, int status, const struct fault *fault)
{
	struct order *order = list_entry(base, struct order, order);
	struct ctl_orders *orders = order->orders;

	pthread_mutex_lock(&orders->lock);
	list_remove(&orders->open, &order->node);
	if (status == 0)
		orders->done++;
	else if (status != -ENOENT)
		note_failure(orders, order->qid, status, fault);
	else if (orders->missing++ < CTL_IDS_MOST)
		orders->missed[orders->missing - 1] = order->qid;
	if (orders->open.count <= orders->wake_at)
		eventfd_write(orders->changed, 1);
	pthread_mutex_unlock(&orders->lock);
	free(order);
	ctl_orders_unref(&orders);
}

void ctl_orders_give(struct ctl_orders *orders, struct queue *queue, uint64_t qid)
{
	struct order *order = mem_new(struct order);

	order->order.action = orders->action;
	order->order.done = on_done;
	order->orders = ctl_orders_ref(orders);
	order->qid = qid;
	pthread_mutex_lock(&orders->lock);
	list_push_back(&orders->open, &order->node);
	pthread_mutex_unlock(&orders->lock);
	queue_act(queue, qid, &order->order);
}

/* Sets what to be woken for; whether there is anything to wait for. */
static bool is_waiting(struct ctl_orders *orders, size_t most)
{
	eventfd_t forget;
	bool waits;

	pthread_mutex_lock(&orders->lock);
	orders->wake_at = most;
	eventfd_read(orders->changed, &forget);
	waits = orders->open.count > most;
	pthread_mutex_unlock(&orders->lock);
	return waits;
}

static bool tell(struct ctl_orders *orders, struct ctl_client *client)
{
	json_t *line = json_object();
	size_t done;

	pthread_mutex_lock(&orders->lock);
	done = orders->done;
	pthread_mutex_unlock(&orders->lock);
	json_object_set_new(line, "done", json_integer((json_int_t)done));
	return ctl_send(client, line);
}

bool ctl_orders_await(struct ctl_orders *orders, struct ctl_client *client, size_t most,
		      int64_t within_ms)
{
	int64_t due = ctl_now_ms() + within_ms;

	while (is_waiting(orders, most)) {
		int64_t now = ctl_now_ms(), until = now + TELL_MS < due ? now + TELL_MS : due;
		int r = ctl_wait(orders->changed, POLLIN, client->ctl->stopping, until);

		if (r == -ECANCELED)
			return false;
		if (r == -ETIMEDOUT && until == due)
			break;
		if (r == -ETIMEDOUT && !tell(orders, client))
			return false;
	}
	return true;
}

size_t ctl_orders_open(struct ctl_orders *orders)
{
	size_t n;

	pthread_mutex_lock(&orders->lock);
	n = orders->open.count;
	pthread_mutex_unlock(&orders->lock);
	return n;
}

static void add_missing(const struct ctl_orders *orders, json_t *out)
{
	json_t *missing = json_array();

	for (size_t i = 0; i < orders->missing && i < CTL_IDS_MOST; i++)
		json_array_append_new(missing, ctl_id(orders->missed[i]));
	json_object_set_new(out, "missing", missing);
}

static void add_failed(const struct ctl_orders *orders, json_t *out)
{
	json_t *failed = json_array();

	for (size_t i = 0; i < orders->failed && i < FAILED_MOST; i++) {
		json_t *one = json_object();

		json_object_set_new(one, "qid", ctl_id(orders->failures[i].qid));
		json_object_set_new(one, "error", ctl_text(orders->failures[i].fault.text));
		json_array_append_new(failed, one);
	}
	json_object_set_new(out, "failed", failed);
	json_object_set_new(out, "failed_more",
			    json_integer((json_int_t)(orders->failed - json_array_size(failed))));
}

static void add_late(const struct ctl_orders *orders, json_t *out)
{
	json_t *late = json_array();

	list_each (&orders->open, node)
		if (json_array_size(late) < CTL_IDS_MOST)
			json_array_append_new(late,
					      ctl_id(list_entry(node, struct order, node)->qid));
	json_object_set_new(out, "late", late);
	json_object_set_new(out, "late_more",
			    json_integer((json_int_t)(orders->open.count - json_array_size(late))));
}

void ctl_orders_view(struct ctl_orders *orders, json_t *out)
{
	pthread_mutex_lock(&orders->lock);
	json_object_set_new(out, "done", json_integer((json_int_t)orders->done));
	add_missing(orders, out);
	add_failed(orders, out);
	add_late(orders, out);
	pthread_mutex_unlock(&orders->lock);
}
