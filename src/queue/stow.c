/* queue/stow.c: content to memory or to the spool, then the commit.
 *
 * What is kept in memory is handed to the spool only with the commit; once a content is too large
 * or the budget is used up, what is there goes out in chunks and nothing is kept. Each such stow
 * then holds at most two chunks that are being written and one that is being filled; the budget covers
 * them, or, where it is used up, they are small.
 */
#include "stow.h"

#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

enum {
	CHUNK_OCTETS = 64 * 1024, /* a chunk goes out once it is so long */
	SMALL_OCTETS = 8 * 1024,  /* and for those whom the budget has nothing left */
	WRITES_MOST = 2,	  /* chunks under way */
	FIRST_OCTETS = 8 * 1024,  /* of memory: what most messages need */
	SECOND_OCTETS = 32 * 1024,
};

struct chunk {
	struct spool_write write;
	struct stow *st;
	struct buf octets; /* empty where the write points into st->memory */
	bool is_busy;
};

/* What there is only of a content that goes to the spool. */
struct outgoing {
	struct stow *st;
	struct chunk chunks[WRITES_MOST];
	struct envelope envelope;
	struct buf record;
	struct spool_write commit;
	struct fault fault;
};

enum stow_state {
	STOW_OPEN,
	STOW_SEALED,
	STOW_COMMITTING,
	STOW_COMMITTED,
	STOW_FAILED,
	STOW_DROPPED, /* waits for its writes only */
};

struct stow {
	struct stow_conf conf;
	struct queue *queue;
	enum stow_state state;
	uint64_t qid, octets;
	struct buf memory; /* all of it, or what has not gone out yet */
	size_t handed;	   /* of memory, at the commit */
	int64_t reserved;
	size_t chunk_octets;  /* once it is streaming */
	unsigned streamed;    /* chunks that went out and are in memory no more */
	bool is_streaming;    /* not kept: goes out in chunks */
	bool has_chunks;      /* the spool has something of it */
	bool is_waited_for;   /* put() said false */
	bool is_seal_waited;  /* seal() said false */
	struct outgoing *out; /* NULL: nothing went to the spool yet */
	bool is_commit_put;
	struct work failed; /* to tell a failure outside the call that asks */
	int status;
};

struct stow *stow_new(const struct stow_conf *conf)
{
	struct stow *st = mem_new(struct stow);

	st->conf = *conf;
	st->queue = conf->queue;
	st->qid = spool_new_id(st->queue->conf.spool);
	queue_pend(st->queue);
	return st;
}

uint64_t stow_qid(const struct stow *st)
{
	return st->qid;
}

uint64_t stow_octets(const struct stow *st)
{
	return st->octets;
}

bool stow_is_kept(const struct stow *st)
{
	return !st->is_streaming;
}

int stow_status(const struct stow *st)
{
	return st->status;
}

static struct outgoing *outgoing_of(struct stow *st)
{
	if (st->out == NULL) {
		st->out = mem_new(struct outgoing);
		st->out->st = st;
	}
	return st->out;
}

static void free_outgoing(struct queue *queue, struct outgoing *out)
{
	if (out == NULL)
		return;
	for (unsigned i = 0; i < WRITES_MOST; i++)
		queue_take_back(queue, &out->chunks[i].octets);
	buf_fini(&out->record);
	envelope_fini(&out->envelope);
	free(out);
}

static void free_stow(struct stow *st)
{
	struct queue *queue = st->queue;

	free_outgoing(queue, st->out);
	queue_take_back(queue, &st->memory);
	queue_release(queue, st->reserved);
	free(st);
	queue_unpend(queue);
}

static struct chunk *free_chunk(struct stow *st)
{
	struct outgoing *out = outgoing_of(st);

	for (unsigned i = 0; i < WRITES_MOST; i++)
		if (!out->chunks[i].is_busy)
			return &out->chunks[i];
	return NULL;
}

static bool is_writing(const struct stow *st)
{
	for (unsigned i = 0; st->out && i < WRITES_MOST; i++)
		if (st->out->chunks[i].is_busy)
			return true;
	return false;
}

static void go_on(struct stow *st);

static void end_chunk(struct work *work)
{
	struct chunk *chunk = list_entry(work, struct chunk, write.done);
	struct stow *st = chunk->st;

	chunk->is_busy = false;
	/* The client may be slow to fill another one. */
	queue_take_back(st->queue, &chunk->octets);
	if (chunk->write.status && st->status == 0) {
		st->status = chunk->write.status;
		st->out->fault = chunk->write.fault;
	}
	go_on(st);
}

static void put_chunk(struct stow *st, struct chunk *chunk, struct span content)
{
	chunk->st = st;
	chunk->is_busy = true;
	chunk->write = (struct spool_write){ .done = { .run = end_chunk },
					     .home = st->queue->conf.loop,
					     .kind = SPOOL_CONTENT,
					     .id = st->qid,
					     .content = content };
	st->has_chunks = true;
	spool_put(st->queue->conf.spool, &chunk->write);
}

/* The buffer itself changes hands where it is not longer than a chunk may be. */
static void send_chunk(struct stow *st, struct chunk *chunk)
{
	if (st->memory.len <= SPOOL_CHUNK_MAX) {
		struct buf empty = chunk->octets;

		chunk->octets = st->memory;
		st->memory = empty;
	} else {
		buf_put_span(&chunk->octets, span_first(buf_span(&st->memory), SPOOL_CHUNK_MAX));
		buf_drop(&st->memory, SPOOL_CHUNK_MAX);
	}
	st->streamed++;
	put_chunk(st, chunk, buf_span(&chunk->octets));
}

static bool is_full(const struct stow *st)
{
	return st->is_streaming && st->memory.len >= st->chunk_octets;
}

static void stream(struct stow *st)
{
	struct chunk *chunk;

	if (st->status)
		buf_clear(&st->memory); /* it cannot be stored any more; the commit will say so */
	while (is_full(st) && (chunk = free_chunk(st)) != NULL)
		send_chunk(st, chunk);
}

static void stream_on(struct stow *st)
{
	stream(st);
	if (!st->is_waited_for || is_full(st))
		return;
	st->is_waited_for = false;
	if (st->conf.room)
		st->conf.room(st->conf.user);
}

/* The block for so many octets. Each new size is a copy, of which who told of a larger one is spared the
 * second, where the budget covers it. */
static size_t room_for(const struct stow *st, size_t octets)
{
	if (octets <= FIRST_OCTETS)
		return FIRST_OCTETS;
	if (octets <= SECOND_OCTETS && (st->is_streaming || st->conf.size_told <= SECOND_OCTETS))
		return SECOND_OCTETS;
	return octets <= QUEUE_SPARE_OCTETS ? QUEUE_SPARE_OCTETS : octets;
}

/* What a content is to the budget: in a block that may be a spare one, all of that, since its pages are
 * there, whatever is used of them. */
static size_t cost_of(const struct stow *st, size_t octets)
{
	size_t room = room_for(st, octets);

	return room == QUEUE_SPARE_OCTETS ? room : octets;
}

static bool may_keep(struct stow *st, size_t octets)
{
	size_t all = st->memory.len + octets, more;

	if (st->is_streaming || all > st->queue->conf.keep_octets)
		return false;
	more = cost_of(st, all) - (size_t)st->reserved;
	if (!queue_reserve(st->queue, more))
		return false;
	st->reserved += (int64_t)more;
	return true;
}

static void keep_no_longer(struct stow *st)
{
	const size_t wanted = (WRITES_MOST + 1) * CHUNK_OCTETS;

	if (st->is_streaming)
		return;
	st->is_streaming = true;
	queue_release(st->queue, st->reserved);
	st->reserved = 0;
	st->chunk_octets = SMALL_OCTETS;
	if (queue_reserve(st->queue, wanted)) {
		st->reserved = (int64_t)wanted;
		st->chunk_octets = CHUNK_OCTETS;
	}
}

static void make_room(struct stow *st, size_t octets)
{
	struct buf *memory = &st->memory, larger = { 0 };
	size_t room = room_for(st, memory->len + octets);

	if (memory->at && memory->len + octets <= memory->cap)
		return;
	if (room == QUEUE_SPARE_OCTETS)
		queue_lend(st->queue, &larger);
	buf_room(&larger, room);
	buf_put_span(&larger, buf_span(memory));
	queue_take_back(st->queue, memory);
	*memory = larger;
}

bool stow_put(struct stow *st, struct span content)
{
	require(st->state == STOW_OPEN);
	st->octets += content.len;
	st->is_waited_for = false;
	if (!may_keep(st, content.len))
		keep_no_longer(st);
	make_room(st, content.len);
	buf_put_span(&st->memory, content);
	stream(st);
	st->is_waited_for = is_full(st);
	return !st->is_waited_for;
}

static bool is_readable(const struct stow *st)
{
	return !is_full(st) && !is_writing(st);
}

bool stow_seal(struct stow *st)
{
	require(st->state == STOW_OPEN);
	st->state = STOW_SEALED;
	st->is_waited_for = false;
	st->is_seal_waited = !is_readable(st);
	return !st->is_seal_waited;
}

static void seal_on(struct stow *st)
{
	stream(st);
	if (!st->is_seal_waited || !is_readable(st))
		return;
	st->is_seal_waited = false;
	if (st->conf.written)
		st->conf.written(st->conf.user);
}

void stow_content(struct stow *st, struct queued_content *out, void (*more)(void *user), void *user)
{
	require(st->state != STOW_OPEN && is_readable(st));
	queued_content_start(out, &(struct queued_content){ .queue = st->queue,
							    .id = st->qid,
							    .size = st->octets,
							    .chunks = st->streamed,
							    .tail = buf_span(&st->memory),
							    .more = more,
							    .user = user });
}

/* The commit */

static void fail(struct stow *st)
{
	if (st->has_chunks)
		queue_drop_content(st->queue, st->qid);
	st->has_chunks = false;
	st->state = STOW_FAILED;
	st->conf.committed(st->conf.user, st->status, &st->out->fault);
}

static void fail_later(struct work *work)
{
	fail(work_entry(work, struct stow, failed));
}

static void end_commit(struct work *work)
{
	struct outgoing *out = list_entry(work, struct outgoing, commit.done);
	struct stow *st = out->st;

	st->status = out->commit.status;
	if (st->status) {
		out->fault = out->commit.fault;
		fail(st);
		return;
	}
	st->state = STOW_COMMITTED;
	st->conf.committed(st->conf.user, 0, NULL);
}

static void put_commit(struct stow *st, struct span rest)
{
	struct outgoing *out = outgoing_of(st);

	st->is_commit_put = true;
	envelope_encode(&out->envelope, &out->record);
	out->commit = (struct spool_write){ .done = { .run = end_commit },
					    .home = st->queue->conf.loop,
					    .kind = SPOOL_COMMIT,
					    .id = st->qid,
					    .content = rest,
					    .record = buf_span(&out->record) };
	spool_put(st->queue->conf.spool, &out->commit);
}

/* The commit goes out after every chunk is known to be written: it must not stand where one of them
 * failed. */
static void commit(struct stow *st)
{
	struct span rest = span_from(buf_span(&st->memory), st->handed);
	struct chunk *chunk;

	if (st->is_commit_put)
		return;
	while (st->status == 0 && rest.len > SPOOL_CHUNK_MAX && (chunk = free_chunk(st)) != NULL) {
		put_chunk(st, chunk, span_first(rest, SPOOL_CHUNK_MAX));
		st->handed += SPOOL_CHUNK_MAX;
		rest = span_from(rest, SPOOL_CHUNK_MAX);
	}
	if (is_writing(st))
		return;
	if (st->status == 0) {
		put_commit(st, rest);
		return;
	}
	st->is_commit_put = true;
	st->failed.run = fail_later;
	loop_post(st->queue->conf.loop, &st->failed);
}

static void give_up(struct stow *st)
{
	if (is_writing(st))
		return;
	if (st->has_chunks)
		queue_drop_content(st->queue, st->qid);
	free_stow(st);
}

static void go_on(struct stow *st)
{
	switch (st->state) {
	case STOW_OPEN:
		stream_on(st);
		break;
	case STOW_SEALED:
		seal_on(st);
		break;
	case STOW_COMMITTING:
		commit(st);
		break;
	case STOW_DROPPED:
		give_up(st);
		break;
	case STOW_COMMITTED:
	case STOW_FAILED:
		break;
	}
}

void stow_commit(struct stow *st, struct envelope *envelope)
{
	struct outgoing *out = outgoing_of(st);

	require(st->state == STOW_OPEN || st->state == STOW_SEALED);
	st->state = STOW_COMMITTING;
	st->is_waited_for = false;
	out->envelope = *envelope;
	*envelope = (struct envelope){ 0 };
	out->envelope.qid = st->qid;
	out->envelope.size = st->octets;
	commit(st);
}

struct envelope *stow_envelope(struct stow *st)
{
	require(st->state == STOW_COMMITTED);
	return &st->out->envelope;
}

struct buf *stow_hand_over(struct stow *st, int64_t *reserved_out)
{
	if (st->is_streaming)
		queue_release(st->queue, st->reserved);
	*reserved_out = st->is_streaming ? 0 : st->reserved;
	st->reserved = 0;
	return st->is_streaming ? NULL : &st->memory;
}

void stow_free(struct stow **stow)
{
	struct stow *st = *stow;

	if (st == NULL)
		return;
	*stow = NULL;
	require(st->state != STOW_COMMITTING);
	if (st->state == STOW_COMMITTED || st->state == STOW_FAILED) {
		free_stow(st);
		return;
	}
	st->state = STOW_DROPPED;
	give_up(st);
}
