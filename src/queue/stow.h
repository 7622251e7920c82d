/* queue/stow.h: the content of a message that comes in, to memory or to the spool, and its commit.
 *
 * Shape    stow_new -> stow_put(content)... -> stow_seal -> stow_content(reader) | stow_commit ->
 *          committed() -> stow_hand_over; stow_free at last
 * Thread   the queue's loop; no callback runs inside a call of this header
 * Owns     the content; stow_hand_over() gives it away
 * Errors   stow_status(): a chunk could not be written; the commit will then fail with the same
 *
 * Small contents wait in memory under the queue's budget and go out in one write with the envelope;
 * larger ones, and all once the budget is used up, go to the spool in chunks as they come, unsynced
 * and with back-pressure; what is left of them stands in memory until the commit.
 */
#pragma once

#include "content.h"

struct stow;

struct stow_conf {
	struct queue *queue;
	uint64_t size_told; /* by who sends it, which need not be so; 0: not told */
	/* stow_put() said false before: there is room again. May be NULL. */
	void (*room)(void *user);
	/* stow_seal() said false before: the content can be read, or stow_status() is not 0. Does not
	 * come once stow_commit() was called. May be NULL. */
	void (*written)(void *user);
	/* Once, after stow_commit(). */
	void (*committed)(void *user, int status, const struct fault *fault);
	void *user;
};

struct stow *stow_new(const struct stow_conf *conf);
uint64_t stow_qid(const struct stow *st);
uint64_t stow_octets(const struct stow *st);
/* All of it so far is in memory. Once false, it stays so. */
bool stow_is_kept(const struct stow *st);
int stow_status(const struct stow *st);
/* Takes all of it; false: wait for room() before the next call. */
bool stow_put(struct stow *st, struct span content);
/* There is no more content. True: it can be read already. */
bool stow_seal(struct stow *st);
/* A reader of the content, once it can be read; valid until stow_hand_over(). */
void stow_content(struct stow *st, struct queued_content *out, void (*more)(void *user),
		  void *user);
/* envelope->qid and ->size are filled here; takes the envelope's strings over. The content can be
 * read all the while; if the commit fails, only one that is kept. */
void stow_commit(struct stow *st, struct envelope *envelope);
/* After the commit: its envelope, to be taken over. */
struct envelope *stow_envelope(struct stow *st);
/* The content and what is reserved for it, to be taken over; NULL: it is in the spool only. */
struct buf *stow_hand_over(struct stow *st, int64_t *reserved_out);
/* What is not committed is given up. At any time but between stow_commit() and committed(). */
void stow_free(struct stow **st);
