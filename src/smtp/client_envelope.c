#include "smtp/client.h"

#include "base/mem.h"
#include "client_private.h"

#include <stdlib.h>

/* Replies that may be due at once: a peer that does not read while it writes must not be brought to
 * a stand-still (RFC 2920 3.1). */
#define WINDOW 100

static const struct smtp_reply no_recipient = SMTP_REPLY(554, 5, 5, 1, "No recipient was accepted");

static struct client_command *first(const struct list *commands)
{
	struct list_node *node = list_first(commands);

	return node ? list_entry(node, struct client_command, node) : NULL;
}

static void forget_first(struct list *commands)
{
	free(list_entry(list_pop_front(commands), struct client_command, node));
}

static void forget_all(struct list *commands)
{
	while (!list_is_empty(commands))
		forget_first(commands);
}

void client_envelope_init(struct client_envelope *e)
{
	*e = (struct client_envelope){ 0 };
	list_init(&e->waiting);
	list_init(&e->due);
}

void client_envelope_fini(struct client_envelope *e)
{
	forget_all(&e->waiting);
	forget_all(&e->due);
	buf_fini(&e->domains);
}

static struct client_command *add(struct client_envelope *e, enum client_state state, size_t octets)
{
	struct client_command *c = mem_alloc(sizeof(*c) + octets);

	c->state = state;
	c->octets = octets;
	if (state == CLIENT_RCPT)
		c->index = e->recipients++;
	list_push_back(&e->waiting, &c->node);
	return c;
}

void client_envelope_add(struct client_envelope *e, enum client_state state, struct span line)
{
	struct client_command *c = add(e, state, line.len);

	if (line.len)
		memcpy(c->line, line.at, line.len);
}

void client_envelope_refuse(struct client_envelope *e, const struct smtp_reply *why)
{
	add(e, CLIENT_RCPT, 0)->own = why;
}

void client_push_early_result(struct smtp_client *cl, const struct smtp_reply *reply, bool is_ours)
{
	struct smtp_client_event *ev = client_push(cl, SMTP_CLIENT_RESULT);

	ev->reply = *reply;
	ev->is_before_body = true;
	ev->is_ours = is_ours;
	cl->envelope.has_result = true;
}

/* DATA is worth sending when it may be answered 354. Content by BDAT waits for the replies to all
 * recipients: the peer would have to take it in even if there are none (RFC 3030 2.). */
static bool may_send(const struct smtp_client *cl, const struct client_command *c)
{
	const struct client_envelope *e = &cl->envelope;

	if (c->own)
		return true;
	if (c->state == CLIENT_CHUNKS)
		return false;
	if (c->state == CLIENT_DATA && e->accepted == 0 && e->recipients_due == 0)
		return false;
	return e->replies_due < (cl->offers.pipelining ? WINDOW : 1);
}

static void send(struct smtp_client *cl, struct client_command *c)
{
	struct client_envelope *e = &cl->envelope;

	list_remove(&e->waiting, &c->node);
	list_push_back(&e->due, &c->node);
	if (c->own)
		return;
	buf_put(&cl->out, c->line, c->octets);
	c->end = cl->sent + cl->out.len;
	e->replies_due++;
	e->recipients_due += c->state == CLIENT_RCPT;
}

/* All recipients have their verdict and none is accepted. */
static bool is_in_vain(const struct client_envelope *e)
{
	const struct client_command *next = first(list_is_empty(&e->due) ? &e->waiting : &e->due);

	if (!next || e->accepted)
		return false;
	return next->state == CLIENT_DATA || next->state == CLIENT_CHUNKS;
}

/* Nothing is left but the content, by BDAT. */
static bool is_chunks_turn(const struct client_envelope *e)
{
	const struct client_command *next = first(&e->waiting);

	return list_is_empty(&e->due) && next && next->state == CLIENT_CHUNKS;
}

/* The reply that comes next; what we refused ourselves has none. */
static const struct client_command *next_due(const struct client_envelope *e)
{
	list_each (&e->due, it) {
		const struct client_command *c = list_entry(it, struct client_command, node);

		if (!c->own)
			return c;
	}
	return NULL;
}

void client_go_on(struct smtp_client *cl)
{
	struct client_envelope *e = &cl->envelope;
	const struct client_command *awaited;

	if (!e->has_result && is_in_vain(e))
		client_push_early_result(cl, &no_recipient, true);
	if (e->has_result)
		forget_all(&e->waiting);
	while (!list_is_empty(&e->waiting) && may_send(cl, first(&e->waiting)))
		send(cl, first(&e->waiting));
	awaited = next_due(e);
	if (awaited) {
		cl->state = awaited->state;
		cl->reply_due = awaited->end;
	} else if (e->has_result) {
		forget_all(&e->due);
		client_end_transaction(cl);
	} else if (is_chunks_turn(e)) {
		forget_all(&e->waiting);
		client_chunks_begin(cl);
	} else {
		cl->state = CLIENT_OPEN;
	}
}

/* The command at the front of those due is answered. */
static void take_first(struct client_envelope *e)
{
	const struct client_command *c = first(&e->due);

	e->replies_due -= !c->own;
	e->recipients_due -= !c->own && c->state == CLIENT_RCPT;
	forget_first(&e->due);
}

static struct smtp_client_event *push_verdict(struct smtp_client *cl,
					      const struct smtp_reply *reply, size_t index)
{
	struct smtp_client_event *ev = client_push_reply(cl, SMTP_CLIENT_RCPT, reply);

	ev->index = index;
	return ev;
}

bool client_tell_refused(struct smtp_client *cl)
{
	struct client_envelope *e = &cl->envelope;
	const struct client_command *c = first(&e->due);

	if (!c || !c->own)
		return false;
	if (!e->has_result)
		push_verdict(cl, c->own, c->index)->is_ours = true;
	take_first(e);
	client_go_on(cl);
	return true;
}

/* A reply of the envelope has told what it had to tell: on to the next one. */
static void advance(struct smtp_client *cl, const struct smtp_reply *reply)
{
	/* RFC 5321 3.8: 421 may come in place of any reply, and the connection ends. */
	if (reply->code == 421) {
		client_lose(cl, reply, NULL);
		return;
	}
	take_first(&cl->envelope);
	client_go_on(cl);
}

static bool is_positive(const struct smtp_reply *reply)
{
	return reply->code < 300;
}

void client_on_mail(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (client_is_out_of_step(cl, reply))
		return;
	if (is_positive(reply))
		cl->envelope.needs_reset = true;
	else if (!cl->envelope.has_result)
		client_push_early_result(cl, reply, false);
	advance(cl, reply);
}

void client_on_rcpt(struct smtp_client *cl, const struct smtp_reply *reply)
{
	struct client_envelope *e = &cl->envelope;

	if (client_is_out_of_step(cl, reply))
		return;
	if (!e->has_result)
		push_verdict(cl, reply, first(&e->due)->index);
	if (is_positive(reply)) {
		e->accepted++;
		e->needs_reset = true;
	}
	advance(cl, reply);
}

void client_on_data(struct smtp_client *cl, const struct smtp_reply *reply)
{
	struct client_envelope *e = &cl->envelope;

	bool is_354 = reply->code == 354;

	if (is_positive(reply) || (reply->code / 100 == 3 && !is_354)) {
		client_lose(cl, reply, NULL);
	} else if (is_354 && e->has_result && e->accepted) {
		/* It refused MAIL and took a recipient all the same: an empty message would reach him. */
		client_lose(cl, reply, NULL);
	} else if (is_354) {
		take_first(e);
		if (e->has_result) {
			client_send_void(cl);
			return;
		}
		cl->state = CLIENT_BODY;
		client_push(cl, SMTP_CLIENT_SEND_BODY);
	} else {
		if (!e->has_result)
			client_push_early_result(cl, reply, false);
		advance(cl, reply);
	}
}
