#include "content.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

/* One chunk on its way from the disk; lives until the lane has given it back, also when nobody
 * waits for it any more. */
struct content_read {
	struct lane_job job;
	struct queue *queue;
	struct spool *spool; /* a copy: a reload may set queue->conf while the lane reads */
	struct queued_content *owner; /* NULL: nobody waits */
	uint64_t id;
	unsigned index;
	struct buf out;
	int status;
	struct fault fault;
};

static void run_read(struct lane_job *job)
{
	struct content_read *read = list_entry(job, struct content_read, job);

	read->status = spool_read(read->spool, read->id, read->index, &read->out, &read->fault);
}

static void start_read(struct queued_content *c);

static void take_chunk(struct queued_content *c, struct content_read *read)
{
	c->read = NULL;
	c->status = read->status;
	if (read->status == 0 && read->out.len == 0) {
		start_read(c);
		if (c->read)
			return;
	} else if (read->status == 0) {
		buf_fini(&c->ahead);
		c->ahead = read->out;
		read->out = (struct buf){ 0 };
		c->has_ahead = true;
	} else if (read->status != -ENODATA) {
		queue_tell_trouble(read->queue, "unreadable", read->id, &read->fault);
	}
	if (c->is_waiting) {
		c->is_waiting = false;
		c->more(c->user);
	}
}

static void end_read(struct lane_job *job)
{
	struct content_read *read = list_entry(job, struct content_read, job);
	struct queue *queue = read->queue;

	if (read->owner)
		take_chunk(read->owner, read);
	buf_fini(&read->out);
	free(read);
	queue_unpend(queue);
}

static void start_read(struct queued_content *c)
{
	struct content_read *read;

	if (c->index >= c->chunks) {
		c->status = -ENODATA;
		return;
	}
	read = mem_new(struct content_read);
	read->queue = c->queue;
	read->spool = read->queue->conf.spool;
	read->owner = c;
	read->id = c->id;
	read->index = c->index++;
	read->job.home = read->queue->conf.loop;
	read->job.run = run_read;
	read->job.done = end_read;
	c->read = read;
	queue_pend(read->queue);
	lane_put(read->queue->conf.reads, &read->job);
}

static int give(struct queued_content *c, struct span octets, struct span *part)
{
	c->octets += octets.len;
	*part = octets;
	return c->octets <= c->size ? 1 : -EBADMSG;
}

static int give_tail(struct queued_content *c, struct span *part)
{
	if (!c->is_tail_given && c->tail.len) {
		c->is_tail_given = true;
		return give(c, c->tail, part);
	}
	return c->octets == c->size ? 0 : -EBADMSG;
}

static int next_part(struct relay_source *source, struct span *part)
{
	struct queued_content *c = list_entry(source, struct queued_content, source);

	buf_fini(&c->now);
	if (c->has_ahead) {
		c->now = c->ahead;
		c->ahead = (struct buf){ 0 };
		c->has_ahead = false;
		start_read(c);
		return give(c, buf_span(&c->now), part);
	}
	if (c->status == 0 && c->read == NULL)
		start_read(c);
	if (c->status)
		return c->status == -ENODATA ? give_tail(c, part) : c->status;
	c->is_waiting = true;
	return -EAGAIN;
}

static void rewind_parts(struct relay_source *source)
{
	struct queued_content *c = list_entry(source, struct queued_content, source);

	if (c->read)
		c->read->owner = NULL;
	c->read = NULL;
	buf_fini(&c->now);
	buf_fini(&c->ahead);
	c->has_ahead = c->is_waiting = c->is_tail_given = false;
	c->index = 0;
	c->status = 0;
	c->octets = 0;
}

void queued_content_start(struct queued_content *c, const struct queued_content *from)
{
	*c = (struct queued_content){ .source = { .next = next_part, .rewind = rewind_parts },
				      .queue = from->queue,
				      .id = from->id,
				      .size = from->size,
				      .chunks = from->chunks,
				      .tail = from->tail,
				      .more = from->more,
				      .user = from->user };
}

void queued_content_init(struct queued_content *c, struct queued *queued, void (*more)(void *user),
			 void *user)
{
	struct queued_content from = { .queue = queued->queue,
				       .id = queued->qid,
				       .size = queued->size,
				       .chunks = CONTENT_ALL_CHUNKS,
				       .more = more,
				       .user = user };

	if (queued->work && queued->work->is_kept) {
		from.chunks = 0;
		from.tail = buf_span(&queued->work->memory);
	}
	queued_content_start(c, &from);
}

void queued_content_fini(struct queued_content *c)
{
	rewind_parts(&c->source);
}
