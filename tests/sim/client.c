#include "client.h"

#include "daemon.h"
#include "form.h"
#include "io.h"
#include "ledger.h"
#include "plan.h"

#include "base/mem.h"
#include "smtp/dsn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_MOST = 64 * 1024 };

enum client_state {
	CLIENT_ASKING, /* RCPT */
	CLIENT_PUTTING,
	CLIENT_WAITING, /* for the end */
};

struct client {
	struct list_node node; /* in `clients` */
	struct event step, watch, leave;
	enum client_state state;
	struct letter *letter;
	struct handoff *handoff;
	bool has_answer[ADDRESSEES_MOST];
	unsigned asked, answered, together; /* recipients; so many are asked at once */
	size_t put;
	bool is_held; /* put() said false */
	bool is_calling;
	int64_t pace_ms; /* between two chunks, at most */
};

static struct list clients = { .head = { &clients.head, &clients.head } };

static struct {
	struct event come;
	unsigned left;
	int64_t pause_ms;
} door;

static void free_client(struct client *c)
{
	event_clear(&c->step);
	event_clear(&c->watch);
	event_clear(&c->leave);
	list_remove(&clients, &c->node);
	free(c);
}

/* What they send */

static size_t draw_octets(void)
{
	switch (pick(64)) {
	case 0:
		return (size_t)pick_between(0, once_in(8) ? 2 * 1024 * 1024 : 300 * 1024);
	case 1:
	case 2:
	case 3:
	case 4:
		return (size_t)pick_between(0, 100 * 1024);
	default:
		return (size_t)pick_between(0, 2000);
	}
}

static const char *draw_kind(void)
{
	static const char *const kinds[] = { "no-", "no-", "grey-", "grey-", "grey-", "full-" };

	return pick(3) ? "" : kinds[pick(6)];
}

static void draw_recipients(struct letter *l)
{
	static const unsigned wishes[] = { SMTP_NOTIFY_NEVER, SMTP_NOTIFY_SUCCESS,
					   SMTP_NOTIFY_FAILURE,
					   SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE,
					   SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE |
						   SMTP_NOTIFY_DELAY };

	l->to_count = once_in(3) ? (unsigned)pick_between(1, ADDRESSEES_MOST)
				 : (unsigned)pick_between(1, 3);
	for (unsigned i = 0; i < l->to_count; i++) {
		struct addressee *a = &l->to[i];

		snprintf(a->address, sizeof(a->address), "%sr%u-l%u@example.org", draw_kind(), i,
			 l->number);
		a->notify = once_in(6) ? wishes[pick(5)] : 0;
	}
}

static struct letter *draw_letter(void)
{
	struct letter *l = ledger_letter();

	if (once_in(12))
		l->release_ms = io_wall_ms() + pick_between(-1000, once_in(4) ? 36000000 : 60000);
	l->is_hybrid = the_daemon.is_hybrid && l->release_ms == 0 && pick(8);
	l->is_spam = once_in(12);
	snprintf(l->account, sizeof(l->account), "login%d", (int)pick(4));
	if (pick(12))
		snprintf(l->sender, sizeof(l->sender), "%ss%u@example.com",
			 once_in(12) ? draw_kind() : "", l->number);
	draw_recipients(l);
	form_draw(l, draw_octets());
	return l;
}

/* The talk */

static void watch(struct client *c, int64_t in_ms)
{
	event_set(&c->watch, in_ms);
}

enum { TROUBLE_MS = 3600000 };

static void lose_patience(struct event *event)
{
	struct client *c = event_entry(event, struct client, watch);

	/* When the spool refuses it too, the running attempt has the last word, in its own time. */
	if (c->state == CLIENT_WAITING && ledger_has_had_trouble() &&
	    world.now_ms - c->letter->finished_ms < TROUBLE_MS)
		watch(c, TROUBLE_MS);
	else if (c->is_held)
		fail("letter %u: there is never room for more of it", c->letter->number);
	else
		fail("letter %u: no answer comes to %s", c->letter->number,
		     c->state == CLIENT_ASKING ? "RCPT" : "the end");
}

/* Each wait lasts as long as patience does, and a little. */
static int64_t answer_ms(const struct client *c)
{
	return (the_daemon.patience_ms + 1000) * (c->asked - c->answered + 1) + 5000;
}

static void on_recipient(void *user, size_t index, const struct smtp_reply *reply, const char *host)
{
	struct client *c = user;
	enum owner before = memory_enter(OWNER_WORLD);
	struct letter *l = c->letter;

	(void)host;
	if (c->is_calling)
		fail("letter %u: a recipient is answered inside a call", l->number);
	if (index >= c->asked || c->has_answer[index]) {
		fail("letter %u: recipient %zu is answered unasked", l->number, index);
	} else {
		c->has_answer[index] = true;
		c->answered++;
		l->to[index].is_refused = reply && reply->code >= 500;
		if (reply && reply->code / 100 == 4)
			fail("letter %u: a recipient is answered with %d", l->number, reply->code);
		tell("  client of letter %u hears of %s: %d", l->number, l->to[index].address,
		     reply ? reply->code : 0);
		event_set(&c->step, pick_skewed(100));
		if (c->asked == c->answered)
			event_clear(&c->watch);
	}
	memory_leave(before);
}

static void on_room(void *user)
{
	struct client *c = user;
	enum owner before = memory_enter(OWNER_WORLD);

	c->is_held = false;
	event_clear(&c->watch);
	event_set(&c->step, 0);
	memory_leave(before);
}

static bool was_taken_by_all(const struct letter *l)
{
	uint32_t whom = 0;

	for (unsigned i = 0; i < l->take_count; i++)
		whom |= l->takes[i]->whom;
	for (unsigned i = 0; i < l->to_count; i++)
		if (!l->to[i].is_refused && !(whom & 1u << i))
			return false;
	return true;
}

static const char *const answer_names[] = {
#define X(name) #name,
	ANSWERS(X)
#undef X
};

static void on_done(void *user, const struct handoff_end *end)
{
	static const enum answer answers[] = { [HANDOFF_PASSED] = ANSWER_PASSED,
					       [HANDOFF_STORED] = ANSWER_STORED,
					       [HANDOFF_REFUSED] = ANSWER_REFUSED,
					       [HANDOFF_FAILED] = ANSWER_FAILED };
	struct client *c = user;
	enum owner before = memory_enter(OWNER_WORLD);
	struct letter *l = c->letter;

	l->answer = answers[end->outcome];
	l->answered_ms = world.now_ms;
	tell("  client of letter %u hears the end: %s", l->number, answer_names[l->answer]);
	if (c->is_calling || c->state != CLIENT_WAITING)
		fail("letter %u ends out of turn", l->number);
	if (l->answer == ANSWER_PASSED && !was_taken_by_all(l))
		fail("letter %u is said to be passed on, and is not", l->number);
	if (l->answer == ANSWER_REFUSED && (end->reply == NULL || end->reply->code / 100 != 5))
		fail("letter %u is refused without a word of 5xx", l->number);
	if (!l->is_hybrid && (l->answer == ANSWER_PASSED || l->answer == ANSWER_REFUSED))
		fail("letter %u was passed on, which nobody had asked for", l->number);
	if (l->answer == ANSWER_FAILED && !ledger_has_had_trouble())
		fail("letter %u is not stored, without a reason: %s", l->number,
		     end->fault ? end->fault->text : "?");
	free_client(c);
	plan_tempt(60);
	memory_leave(before);
}

static void leave(struct client *c)
{
	enum owner before = memory_enter(OWNER_PROCESS);

	tell("  client of letter %u goes away", c->letter->number);
	c->letter->answer = c->state == CLIENT_WAITING ? ANSWER_DROPPED : ANSWER_LEFT;
	handoff_drop(&c->handoff);
	memory_leave(before);
	free_client(c);
}

static void on_leave(struct event *event)
{
	leave(event_entry(event, struct client, leave));
}

static void ask_one(struct client *c)
{
	const struct addressee *a = &c->letter->to[c->asked];
	struct smtp_rcpt_params params = { .notify = a->notify };

	c->asked++;
	handoff_recipient(c->handoff, span_text(a->address), a->notify ? &params : NULL);
}

static bool is_refused_by_all(const struct letter *l)
{
	for (unsigned i = 0; i < l->to_count; i++)
		if (!l->to[i].is_refused)
			return false;
	return true;
}

static void ask(struct client *c)
{
	if (c->asked < c->letter->to_count && c->asked - c->answered < c->together) {
		ask_one(c);
		watch(c, answer_ms(c));
		event_set(&c->step, once_in(4) ? pick_between(0, 200) : 0);
	} else if (c->answered == c->letter->to_count) {
		c->state = CLIENT_PUTTING;
		handoff_begin(c->handoff);
		event_set(&c->step, pick_skewed(200));
	}
}

static void finish(struct client *c)
{
	const unsigned char *end =
		memmem(c->letter->content.at, c->letter->content.len, "\r\n\r\n", 4);

	c->state = CLIENT_WAITING;
	c->letter->finished_ms = world.now_ms;
	handoff_finish(c->handoff, wall_now_ms(), (uint64_t)(end - c->letter->content.at) + 2,
		       c->letter->form);
	watch(c, the_daemon.patience_ms * 3 + 20000);
	if (once_in(12))
		event_set(&c->leave, pick_skewed(20000));
}

static void put(struct client *c)
{
	struct span rest = span_from(buf_span(&c->letter->content), c->put);

	if (c->is_held)
		return;
	rest = span_first(rest, (size_t)pick_between(1, CHUNK_MOST));
	if (rest.len == 0) {
		finish(c);
		return;
	}
	c->put += rest.len;
	if (handoff_put(c->handoff, rest)) {
		event_set(&c->step, pick_skewed(c->pace_ms));
	} else {
		c->is_held = true;
		watch(c, 60000);
	}
}

static void step(struct event *event)
{
	struct client *c = event_entry(event, struct client, step);
	enum owner before;

	if (c->state == CLIENT_WAITING)
		return;
	if (once_in(250) || (c->answered == c->letter->to_count && is_refused_by_all(c->letter))) {
		leave(c);
		return;
	}
	before = memory_enter(OWNER_PROCESS);
	c->is_calling = true;
	if (c->state == CLIENT_ASKING)
		ask(c);
	else
		put(c);
	c->is_calling = false;
	memory_leave(before);
}

static void begin(struct client *c)
{
	struct letter *l = c->letter;
	struct handoff_conf conf = { .queue = the_daemon.queues[pick(the_daemon.shards)],
				     .is_hybrid = l->is_hybrid ||
						  (the_daemon.is_hybrid && l->release_ms),
				     .patience_ms = the_daemon.patience_ms,
				     .sid = l->number + 1,
				     .account = l->account,
				     .sender = span_text(l->sender),
				     .ret = l->number % 2 ? SMTP_RET_FULL : SMTP_RET_NONE,
				     .is_utf8 = l->is_utf8,
				     .is_binary = l->form & SMTP_FORM_BINARY,
				     .require_tls = l->require_tls,
				     .release_ms = l->release_ms,
				     .recipient = on_recipient,
				     .room = on_room,
				     .done = on_done,
				     .user = c };
	enum owner before = memory_enter(OWNER_PROCESS);

	c->handoff = handoff_new(&conf);
	memory_leave(before);
	ledger_name(l, handoff_qid(c->handoff));
}

static void come(struct event *event)
{
	struct client *c;

	if (door.left == 0)
		return;
	event_set(event, pick_between(0, 2 * door.pause_ms));
	if (!the_daemon.is_up || the_daemon.is_stopping)
		return;
	door.left--;
	if (!spool_may_accept(the_daemon.spool, NULL))
		return;
	c = mem_new(struct client);
	c->letter = draw_letter();
	c->together = once_in(2) ? ADDRESSEES_MOST : (unsigned)pick_between(1, 3);
	c->pace_ms = once_in(6) ? 20000 : 60;
	c->step.fire = step;
	c->watch.fire = lose_patience;
	c->leave.fire = on_leave;
	list_push_back(&clients, &c->node);
	tell("a client of %s brings letter %u: %zu octets for %u", c->letter->account,
	     c->letter->number, c->letter->content.len, c->letter->to_count);
	begin(c);
	event_set(&c->step, 0);
}

void clients_begin(unsigned count, int64_t span_ms)
{
	door.come.fire = come;
	door.left = count;
	door.pause_ms = span_ms / (count ? count : 1);
	event_set(&door.come, pick_between(0, 1000));
}

void clients_close(void)
{
	door.left = 0;
	event_clear(&door.come);
}

void clients_crash(void)
{
	struct list_node *node;

	while ((node = list_first(&clients)) != NULL)
		free_client(list_entry(node, struct client, node));
}

void clients_leave(void)
{
	struct list_node *node;

	while ((node = list_first(&clients)) != NULL)
		leave(list_entry(node, struct client, node));
}

unsigned clients_talking(void)
{
	return (unsigned)clients.count;
}

void clients_end(void)
{
	clients_close();
	clients_crash();
}
