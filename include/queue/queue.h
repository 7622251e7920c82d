/* queue/queue.h: what is accepted and not yet settled, on one loop.
 *
 * Shape    queue_add() / recovery -> attempt -> outcome -> again later, or settled, or a bounce
 * Thread   its loop: a message lives on the loop of the session that brought it
 * Owns     the messages and their memory; the spool owns what is on disk
 * Units    ms; retry pauses double from retry_first_ms to retry_most_ms, with jitter of a quarter
 * Errors   nothing here loses a message: what cannot be written now (a note, a settle) costs at most
 *          a duplicate, and the log says so
 */
#pragma once

#include "queue/envelope.h"
#include "relay/relay.h"
#include "spool/log.h"

struct queue;

struct queue_conf {
	struct loop *loop;
	struct lane *reads; /* for spool_read */
	struct log *log; /* NULL: none */
	struct counters *counters;
	struct spool *spool;
	struct relay *relay;
	const char *hostname, *company; /* for notices; outlive the queue */
	int64_t retry_first_ms, retry_most_ms, expire_ms;
	unsigned active;	  /* messages handed to the relay at once */
	_Atomic int64_t *memory;  /* octets of content that may still be kept, shared by the loops */
	size_t keep_octets;	  /* larger contents are not kept in memory */
};

struct queue *queue_new(const struct queue_conf *conf);
/* A message that recovery found; takes copies. Before or while the loop runs, on its thread. The
 * spool may still be being opened: conf.spool may be NULL until then, and is set by queue_renew()
 * before the loop runs. */
int queue_recover(struct queue *queue, const struct spool_found *found);
/* No new attempts; freed() once none is under way and the spool has taken every outcome. */
void queue_free(struct queue *queue, void (*freed)(void *user), void *user);
/* After a reload. */
void queue_renew(struct queue *queue, const struct queue_conf *conf);
size_t queue_length(const struct queue *queue);

/* One message, for posternctl. Everything lives for the length of the call. */
struct queue_view {
	const struct envelope *envelope;
	const struct delivery *delivery;
	bool is_active; /* an attempt is under way */
};
/* In the order of arrival; each() returns false to stop. */
void queue_look(struct queue *queue, bool (*each)(void *user, const struct queue_view *view),
		void *user);
/* False: not here. */
bool queue_find(struct queue *queue, uint64_t qid, struct queue_view *out);
