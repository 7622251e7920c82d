/* queue/intake.c: content to memory or to the spool, then the commit.
 *
 * What is kept in memory is handed to the spool only with the commit; once a content is too large
 * or the budget is used up, what is there goes out in chunks and nothing is kept. Each such intake
 * then holds at most two chunks that are being written and one that is being filled.
 */
#include "intake.h"

#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

enum {
	CHUNK_OCTETS = 128 * 1024, /* a chunk goes out once it is so long */
	WRITES_MOST = 2,	   /* chunks under way */
};

struct chunk {
	struct spool_write write;
	struct intake *in;
	struct buf octets; /* empty where the write points into in->memory */
	bool is_busy;
};

enum intake_state {
	INTAKE_OPEN,
	INTAKE_COMMITTING,
	INTAKE_DROPPED, /* waits for its writes only */
};

struct intake {
	struct intake_conf conf;
	struct queue *queue;
	enum intake_state state;
	uint64_t qid, octets;
	struct buf memory; /* all of it, or what has not gone out yet */
	size_t handed;	   /* of memory, at the commit */
	int64_t reserved;
	bool is_streaming;  /* not kept: goes out in chunks */
	bool has_chunks;    /* the spool has something of it */
	bool is_waited_for; /* put() said false */
	struct chunk chunks[WRITES_MOST];
	struct envelope envelope;
	struct buf record;
	struct spool_write commit;
	bool is_commit_put;
	struct work failed; /* to tell a failure outside the call that asks */
	int status;
	struct fault fault;
};

struct intake *intake_new(const struct intake_conf *conf)
{
	struct intake *in = mem_new(struct intake);

	in->conf = *conf;
	in->queue = conf->queue;
	in->qid = spool_new_id(in->queue->conf.spool);
	queue_pend(in->queue);
	return in;
}

uint64_t intake_qid(const struct intake *in)
{
	return in->qid;
}

static void free_intake(struct intake *in)
{
	struct queue *queue = in->queue;

	for (unsigned i = 0; i < WRITES_MOST; i++)
		buf_fini(&in->chunks[i].octets);
	buf_fini(&in->memory);
	buf_fini(&in->record);
	queue_release(queue, in->reserved);
	envelope_fini(&in->envelope);
	free(in);
	queue_unpend(queue);
}

static struct chunk *free_chunk(struct intake *in)
{
	for (unsigned i = 0; i < WRITES_MOST; i++)
		if (!in->chunks[i].is_busy)
			return &in->chunks[i];
	return NULL;
}

static bool is_writing(const struct intake *in)
{
	for (unsigned i = 0; i < WRITES_MOST; i++)
		if (in->chunks[i].is_busy)
			return true;
	return false;
}

static void go_on(struct intake *in);

static void end_chunk(struct work *work)
{
	struct chunk *chunk = list_entry(work, struct chunk, write.done);
	struct intake *in = chunk->in;

	chunk->is_busy = false;
	buf_clear(&chunk->octets);
	if (chunk->write.status && in->status == 0) {
		in->status = chunk->write.status;
		in->fault = chunk->write.fault;
	}
	go_on(in);
}

static void put_chunk(struct intake *in, struct chunk *chunk, struct span content)
{
	chunk->in = in;
	chunk->is_busy = true;
	chunk->write = (struct spool_write){ .done = { .run = end_chunk },
					     .home = in->queue->conf.loop,
					     .kind = SPOOL_CONTENT,
					     .id = in->qid,
					     .content = content };
	in->has_chunks = true;
	spool_put(in->queue->conf.spool, &chunk->write);
}

/* The buffer itself changes hands where it is not longer than a chunk may be. */
static void send_chunk(struct intake *in, struct chunk *chunk)
{
	if (in->memory.len <= SPOOL_CHUNK_MAX) {
		struct buf empty = chunk->octets;

		chunk->octets = in->memory;
		in->memory = empty;
	} else {
		buf_put_span(&chunk->octets, span_first(buf_span(&in->memory), SPOOL_CHUNK_MAX));
		buf_drop(&in->memory, SPOOL_CHUNK_MAX);
	}
	put_chunk(in, chunk, buf_span(&chunk->octets));
}

static bool is_full(const struct intake *in)
{
	return in->is_streaming && in->memory.len >= CHUNK_OCTETS;
}

static void stream(struct intake *in)
{
	struct chunk *chunk;

	if (in->status)
		buf_clear(&in->memory); /* it cannot be stored any more; the commit will say so */
	while (is_full(in) && (chunk = free_chunk(in)) != NULL)
		send_chunk(in, chunk);
	if (in->is_waited_for && !is_full(in)) {
		in->is_waited_for = false;
		if (in->conf.room)
			in->conf.room(in->conf.user);
	}
}

static bool may_keep(struct intake *in, size_t octets)
{
	if (in->is_streaming || in->memory.len + octets > in->queue->conf.keep_octets ||
	    !queue_reserve(in->queue, octets))
		return false;
	in->reserved += (int64_t)octets;
	return true;
}

static void keep_no_longer(struct intake *in)
{
	in->is_streaming = true;
	queue_release(in->queue, in->reserved);
	in->reserved = 0;
}

bool intake_put(struct intake *in, struct span content)
{
	require(in->state == INTAKE_OPEN);
	in->octets += content.len;
	in->is_waited_for = false;
	if (!may_keep(in, content.len))
		keep_no_longer(in);
	buf_put_span(&in->memory, content);
	stream(in);
	in->is_waited_for = is_full(in);
	return !in->is_waited_for;
}

/* The end: done() is the last thing that the user hears. */

static void tell(struct intake *in, int status)
{
	in->conf.done(in->conf.user, status, status ? &in->fault : NULL);
}

static void fail(struct intake *in)
{
	if (in->has_chunks)
		queue_drop_content(in->queue, in->qid);
	tell(in, in->status);
	free_intake(in);
}

static void fail_later(struct work *work)
{
	fail(work_entry(work, struct intake, failed));
}

static void succeed(struct intake *in)
{
	struct buf *memory = in->is_streaming ? NULL : &in->memory;

	queue_add(in->queue, &in->envelope, memory, in->reserved);
	in->reserved = 0;
	tell(in, 0);
	free_intake(in);
}

static void end_commit(struct work *work)
{
	struct intake *in = list_entry(work, struct intake, commit.done);

	in->status = in->commit.status;
	in->fault = in->commit.fault;
	if (in->status)
		fail(in);
	else
		succeed(in);
}

static void put_commit(struct intake *in, struct span rest)
{
	in->is_commit_put = true;
	envelope_encode(&in->envelope, &in->record);
	in->commit = (struct spool_write){ .done = { .run = end_commit },
					   .home = in->queue->conf.loop,
					   .kind = SPOOL_COMMIT,
					   .id = in->qid,
					   .content = rest,
					   .record = buf_span(&in->record) };
	spool_put(in->queue->conf.spool, &in->commit);
}

/* The commit goes out after every chunk is known to be written: it must not stand where one of them
 * failed. */
static void commit(struct intake *in)
{
	struct span rest = span_from(buf_span(&in->memory), in->handed);
	struct chunk *chunk;

	if (in->is_commit_put)
		return;
	while (in->status == 0 && rest.len > SPOOL_CHUNK_MAX && (chunk = free_chunk(in)) != NULL) {
		put_chunk(in, chunk, span_first(rest, SPOOL_CHUNK_MAX));
		in->handed += SPOOL_CHUNK_MAX;
		rest = span_from(rest, SPOOL_CHUNK_MAX);
	}
	if (is_writing(in))
		return;
	if (in->status == 0) {
		put_commit(in, rest);
		return;
	}
	in->is_commit_put = true;
	in->failed.run = fail_later;
	loop_post(in->queue->conf.loop, &in->failed);
}

static void give_up(struct intake *in)
{
	if (is_writing(in))
		return;
	if (in->has_chunks)
		queue_drop_content(in->queue, in->qid);
	free_intake(in);
}

static void go_on(struct intake *in)
{
	switch (in->state) {
	case INTAKE_OPEN:
		stream(in);
		break;
	case INTAKE_COMMITTING:
		commit(in);
		break;
	case INTAKE_DROPPED:
		give_up(in);
		break;
	}
}

void intake_commit(struct intake *in, struct envelope *envelope)
{
	require(in->state == INTAKE_OPEN);
	in->state = INTAKE_COMMITTING;
	in->is_waited_for = false;
	in->envelope = *envelope;
	*envelope = (struct envelope){ 0 };
	in->envelope.qid = in->qid;
	in->envelope.size = in->octets;
	commit(in);
}

void intake_drop(struct intake **intake)
{
	struct intake *in = *intake;

	if (in == NULL)
		return;
	*intake = NULL;
	require(in->state == INTAKE_OPEN);
	in->state = INTAKE_DROPPED;
	give_up(in);
}
