/* tests/unit/ctl/rig.h: a daemon of three loops, the main one among them, with stand-ins for the rooms
 * queue, relay and spool: what the control socket asks them. */
#pragma once

#include "ctl/ctl.h"

#include "test.h"

#include <jansson.h>
#include <semaphore.h>

#define SHARDS 2

/* A message of the stand-in: kept in the order in which it came. */
struct message {
	struct list_node node;
	struct queue_view view;
	struct envelope envelope;
	struct delivery delivery;
	struct queue_order *_Atomic waits; /* for the end of the attempt that is under way */
};

struct queue {
	struct loop *loop;
	struct list messages;
	struct list walks;
	struct list orders; /* done, to be told */
	struct work tell;
	bool is_telling;
	size_t most_visited; /* in one turn of the loop */
	size_t visited;
	struct work turn;
	bool is_turn_posted;
	int fails;		/* what an order ends with */
	size_t acts[6];		/* how many orders of each action */
	sem_t *entered, *leave; /* where set, a walk tells that it is here, and waits */
};

struct relay {
	struct relay_view views[2];
	const struct smtp_client_offers *offers[2]; /* NULL: not known */
	size_t count, waiting;
	sem_t *entered, *leave; /* where set, relay_look() does the same */
};

struct rig {
	char directory[64], path[96];
	struct loop *main;
	struct ctl_shard shards[SHARDS];
	struct queue queues[SHARDS];
	struct relay relays[SHARDS];
	struct counters counters;
	struct fault reload, refusing, logins_down;
	unsigned reloads;
	void (*on_reload)(struct rig *rig); /* on the main loop, unless it fails; may be NULL */
	const char *const *content; /* parts of every message, up to NULL */
	int content_fails;
	struct log *log; /* of what rig_open() opens from then on */
	struct ctl *ctl;
};

int rig_setup(void **state);
int rig_teardown(void **state);
struct ctl *rig_open(struct rig *rig, const char *path, struct fault *fault);
void rig_loop_end(struct loop **loop);
/* From alice to bob, who has it, and to eve, who waits; before any request. */
struct message *rig_add(struct queue *queue, uint64_t qid);
/* The attempt of a message that was active ends. */
void rig_end_attempt(struct queue *queue, uint64_t qid);
struct message *rig_find(struct queue *queue, uint64_t qid);

/* Lines before the last go to each(). */
json_t *rig_talk(const struct rig *rig, const char *request, void (*each)(void *user, json_t *line),
		 void *user);
json_t *rig_ask(const struct rig *rig, const char *request);
const char *text_of(const json_t *object, const char *key);
json_int_t number_of(const json_t *object, const char *key);
bool is_ok(const json_t *answer);
/* Words of a refusal, and that it is one. */
void assert_refusal(json_t *answer, const char *words);
