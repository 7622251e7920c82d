/* src/ctl/orders.h: many orders to the queues, and what became of them.
 *
 * Shape    ctl_orders_new -> ctl_orders_give (on the loops) ... ctl_orders_await -> ctl_orders_view
 * Thread   give: the loop of the message; all else on the connection's thread
 * Owns     counted: an order that waits for the end of an attempt outlives the request
 */
#pragma once

#include "inside.h"

struct ctl_orders;

/* NULL and a fault: no descriptor is left. */
struct ctl_orders *ctl_orders_new(enum queue_action action, struct fault *fault);
struct ctl_orders *ctl_orders_ref(struct ctl_orders *orders);
void ctl_orders_unref(struct ctl_orders **orders);
void ctl_orders_give(struct ctl_orders *orders, struct queue *queue, uint64_t qid);
/* Until no more than `most` are under way, or `within_ms` have passed; tells the client how far it
 * is. False: the client has gone, or we stop. */
bool ctl_orders_await(struct ctl_orders *orders, struct ctl_client *client, size_t most,
		      int64_t within_ms);
size_t ctl_orders_open(struct ctl_orders *orders);
/* {done, missing [qid], failed [{qid error}], failed_more, late [qid], late_more}: named are some, the
 * others are counted in *_more. */
void ctl_orders_view(struct ctl_orders *orders, json_t *out);
