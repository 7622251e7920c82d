#include "rig.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const words[] = {
#define X(name, word, text) word,
	QUEUE_STANDS(X)
#undef X
};

const char *queue_stand_word(enum queue_stand stand)
{
	return words[stand];
}

const char *queue_stand_text(enum queue_stand stand)
{
	return words[stand];
}

size_t queue_length(const struct queue *queue)
{
	return queue->messages.count;
}

struct message *rig_find(struct queue *queue, uint64_t qid)
{
	list_each (&queue->messages, node) {
		struct message *m = list_entry(node, struct message, node);

		if (m->envelope.qid == qid)
			return m;
	}
	return NULL;
}

bool queue_find(struct queue *queue, uint64_t qid, struct queue_view *out)
{
	struct message *m = rig_find(queue, qid);

	if (m)
		*out = m->view;
	return m != NULL;
}

void queue_walk_init(struct queue_walk *walk, struct queue *queue)
{
	*walk = (struct queue_walk){ .queue = queue, .next = queue->messages.head.next };
	list_push_back(&queue->walks, &walk->node);
}

static void run_turn(struct work *work)
{
	struct queue *queue = work_entry(work, struct queue, turn);

	queue->is_turn_posted = false;
	queue->visited = 0;
}

/* Visited since the loop last did something else. */
static void count_visit(struct queue *queue)
{
	if (!queue->is_turn_posted) {
		queue->is_turn_posted = true;
		queue->turn.run = run_turn;
		loop_post(queue->loop, &queue->turn);
	}
	if (++queue->visited > queue->most_visited)
		queue->most_visited = queue->visited;
}

bool queue_walk(struct queue_walk *walk, size_t most,
		void (*each)(void *user, const struct queue_view *view), void *user)
{
	struct queue *queue = walk->queue;

	assert_true(loop_is_here(queue->loop));
	if (queue->entered) {
		sem_post(queue->entered);
		sem_wait(queue->leave);
	}
	for (; most && walk->next != &queue->messages.head; most--) {
		struct message *m = list_entry(walk->next, struct message, node);

		count_visit(queue);
		walk->next = m->node.next;
		each(user, &m->view);
	}
	return walk->next != &queue->messages.head;
}

void queue_walk_fini(struct queue_walk *walk)
{
	assert_true(loop_is_here(walk->queue->loop));
	list_remove(&walk->queue->walks, &walk->node);
}

static void message_free(struct queue *queue, struct message *m)
{
	list_each (&queue->walks, node) {
		struct queue_walk *walk = list_entry(node, struct queue_walk, node);

		if (walk->next == &m->node)
			walk->next = m->node.next;
	}
	list_remove(&queue->messages, &m->node);
	free(m);
}

static void run_tell(struct work *work)
{
	struct queue *queue = work_entry(work, struct queue, tell);
	struct list_node *node;

	queue->is_telling = false;
	while ((node = list_pop_front(&queue->orders))) {
		struct queue_order *order = list_entry(node, struct queue_order, node);

		order->done(order, (int)(intptr_t)order->work.next, NULL);
	}
}

static void tell(struct queue *queue, struct queue_order *order, int status)
{
	order->work.next = (void *)(intptr_t)status;
	list_push_back(&queue->orders, &order->node);
	if (queue->is_telling)
		return;
	queue->is_telling = true;
	queue->tell.run = run_tell;
	loop_post(queue->loop, &queue->tell);
}

static void apply(struct queue *queue, struct message *m, struct queue_order *order)
{
	queue->acts[order->action]++;
	if (order->action == QUEUE_HOLD || order->action == QUEUE_RELEASE) {
		m->delivery.is_held = order->action == QUEUE_HOLD;
		m->view.stand = m->delivery.is_held ? QUEUE_STAND_HELD : QUEUE_STAND_LINE;
	}
	if (order->action == QUEUE_REMOVE || order->action == QUEUE_BOUNCE)
		message_free(queue, m);
	tell(queue, order, queue->fails);
}

void queue_act(struct queue *queue, uint64_t qid, struct queue_order *order)
{
	struct message *m = rig_find(queue, qid);

	assert_true(loop_is_here(queue->loop));
	if (m == NULL)
		tell(queue, order, -ENOENT);
	else if (m->view.stand == QUEUE_STAND_ACTIVE && order->action != QUEUE_REMOVE)
		m->waits = order;
	else
		apply(queue, m, order);
}

void rig_end_attempt(struct queue *queue, uint64_t qid)
{
	struct message *m = rig_find(queue, qid);

	m->view.stand = QUEUE_STAND_RETRY;
	if (m->waits)
		apply(queue, m, m->waits);
}

bool relay_look(const struct relay *relay, size_t i, struct relay_view *out)
{
	if (relay->entered && i == 0) {
		sem_post(relay->entered);
		sem_wait(relay->leave);
	}
	if (i >= relay->count)
		return false;
	*out = relay->views[i];
	return true;
}

bool relay_offered(const struct relay *relay, size_t smarthost, struct smtp_client_offers *out)
{
	const struct smtp_client_offers *offers = relay->offers[smarthost];

	if (offers)
		*out = *offers;
	return offers != NULL;
}

size_t relay_waiting(const struct relay *relay)
{
	return relay->waiting;
}

static int64_t expires(void *user)
{
	struct rig *rig = user;

	assert_true(loop_is_here(rig->main));
	return 2000000000;
}

static int reload(void *user, struct fault *fault)
{
	struct rig *rig = user;

	assert_true(loop_is_here(rig->main));
	rig->reloads++;
	if (rig->reload.code)
		*fault = rig->reload;
	else if (rig->on_reload)
		rig->on_reload(rig);
	return rig->reload.code;
}

static bool may_accept(void *user, struct fault *why)
{
	struct rig *rig = user;

	*why = rig->refusing;
	return rig->refusing.code == 0;
}

static bool may_login(void *user, int64_t *since_ms, struct fault *why)
{
	struct rig *rig = user;

	*why = rig->logins_down;
	*since_ms = 2000000000000;
	return rig->logins_down.code == 0;
}

static int read_content(void *user, uint64_t qid, unsigned index, struct buf *out,
			struct fault *fault)
{
	struct rig *rig = user;

	(void)qid;
	if (rig->content[index])
		buf_put_text(out, rig->content[index]);
	else if (rig->content_fails)
		return fault_set(fault, rig->content_fails, "damaged in the middle");
	return rig->content[index] ? 0 : -ENODATA;
}

struct ctl *rig_open(struct rig *rig, const char *path, struct fault *fault)
{
	struct ctl_conf conf = {
		.loop = rig->main,
		.log = rig->log,
		.counters = &rig->counters,
		.path = path,
		.shards = rig->shards,
		.shard_count = SHARDS,
		.started_ms = wall_now_ms() - 5000,
		.version = "1.2.3",
		.certificate_expires = expires,
		.reload = reload,
		.may_accept = may_accept,
		.may_login = may_login,
		.read_content = read_content,
		.user = rig,
	};

	return ctl_open(&conf, fault);
}

int rig_setup(void **state)
{
	static const char *const content[] = { "Subject: lunch\r\n", "\r\nNoon?\r\n", NULL };
	struct rig *rig = mem_new(struct rig);
	struct fault fault = { 0 };

	rig->content = content;
	strcpy(rig->directory, "/tmp/ctl-test-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	snprintf(rig->path, sizeof(rig->path), "%s/control", rig->directory);
	rig->main = loop_new("main");
	loop_start(rig->main);
	for (size_t i = 0; i < SHARDS; i++) {
		struct loop *loop = loop_new("shard");

		rig->shards[i] = (struct ctl_shard){ loop, &rig->queues[i], &rig->relays[i] };
		rig->queues[i].loop = loop;
		list_init(&rig->queues[i].messages);
		list_init(&rig->queues[i].walks);
		list_init(&rig->queues[i].orders);
		loop_start(loop);
	}
	rig->ctl = rig_open(rig, rig->path, &fault);
	if (rig->ctl == NULL)
		fail_msg("%s", fault.text);
	*state = rig;
	return 0;
}

void rig_loop_end(struct loop **loop)
{
	loop_stop(*loop);
	loop_join(*loop);
	loop_free(loop);
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	ctl_close(&rig->ctl);
	for (size_t i = 0; i < SHARDS; i++) {
		struct list_node *node;

		rig_loop_end(&rig->shards[i].loop);
		/* Every walk was ended on its loop, every order told. */
		assert_true(list_is_empty(&rig->queues[i].walks));
		assert_true(list_is_empty(&rig->queues[i].orders));
		while ((node = list_pop_front(&rig->queues[i].messages)))
			free(list_entry(node, struct message, node));
	}
	rig_loop_end(&rig->main);
	assert_int_equal(access(rig->path, F_OK), -1);
	assert_int_equal(rmdir(rig->directory), 0);
	free(rig);
	return 0;
}

static char *fixed(const char *text)
{
	return (char *)(uintptr_t)text;
}

struct message *rig_add(struct queue *queue, uint64_t qid)
{
	static struct envelope_recipient recipients[2];
	static struct recipient_status statuses[2];
	struct message *m = mem_new(struct message);

	recipients[0] = (struct envelope_recipient){ fixed("bob@example.org"), fixed(""), 0 };
	recipients[1] = (struct envelope_recipient){ fixed("eve@example.org"), fixed(""), 0 };
	statuses[0] = (struct recipient_status){ RECIPIENT_DELIVERED, 250,	     { 2, 1, 5 },
						 fixed("ok"),	      fixed("main"), false };
	statuses[1] =
		(struct recipient_status){ RECIPIENT_WAITING, 451,
					   { 4, 2, 2 },	      fixed("full \xff\xc3\xbc \033[2J"),
					   fixed("main"),     false };
	m->envelope = (struct envelope){ .qid = qid,
					 .sid = 7,
					 .account = fixed("alice"),
					 .sender = fixed("alice@example.com"),
					 .envid = fixed(""),
					 .recipients = recipients,
					 .recipient_count = 2,
					 .arrived_ms = 1795299114123,
					 .size = 4096,
					 .form = SMTP_FORM_8BIT | SMTP_FORM_BINARY,
					 .is_utf8 = true };
	m->delivery = (struct delivery){ .attempts = 3,
					 .last_ms = 1795299115000,
					 .recipients = statuses,
					 .recipient_count = 2 };
	m->view = (struct queue_view){ .envelope = &m->envelope,
				       .delivery = &m->delivery,
				       .stand = QUEUE_STAND_RETRY,
				       .next_ms = 1795299175000,
				       .expire_ms = 1795899114123,
				       .waiting = 1 };
	list_push_back(&queue->messages, &m->node);
	return m;
}

json_t *rig_talk(const struct rig *rig, const char *request, void (*each)(void *user, json_t *line),
		 void *user)
{
	struct fault fault = { 0 };
	struct ctl_talk *talk = ctl_talk_open(rig->path, request, &fault);
	json_t *line = NULL;

	if (talk == NULL)
		fail_msg("%s: %s", request, fault.text);
	for (;;) {
		struct span text;

		if (ctl_talk_line(talk, &text, &fault) < 0)
			fail_msg("%s: %s", request, fault.text);
		for (size_t i = 0; i < text.len; i++)
			assert_true(text.at[i] >= ' ' && text.at[i] <= '~');
		line = json_loadb((const char *)text.at, text.len, 0, NULL);
		assert_non_null(line);
		if (json_object_get(line, "ok"))
			break;
		if (each)
			each(user, line);
		json_decref(line);
	}
	ctl_talk_close(&talk);
	return line;
}

json_t *rig_ask(const struct rig *rig, const char *request)
{
	return rig_talk(rig, request, NULL, NULL);
}

const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool is_ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

void assert_refusal(json_t *answer, const char *said)
{
	assert_true(json_is_false(json_object_get(answer, "ok")));
	if (strstr(text_of(answer, "error"), said) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", text_of(answer, "error"), said);
	json_decref(answer);
}
