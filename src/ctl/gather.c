#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOK_MS = 10 };

static void drop_answers(struct ctl_gather *gather)
{
	for (size_t i = 0; i < gather->count; i++) {
		json_decref(gather->parts[i].answer);
		gather->parts[i].answer = NULL;
	}
}

static void unref(struct ctl_gather *gather)
{
	if (atomic_fetch_sub(&gather->refs, 1) != 1)
		return;
	drop_answers(gather);
	if (gather->done >= 0)
		close(gather->done);
	free(gather);
}

static void on_loop(struct work *work)
{
	struct ctl_part *part = work_entry(work, struct ctl_part, work);
	struct ctl_gather *gather = part->gather;

	gather->run(part);
	if (atomic_fetch_sub(&gather->pending, 1) == 1 && gather->done >= 0)
		eventfd_write(gather->done, 1);
	unref(gather);
}

static bool is_asked(const struct ctl_question *question, size_t i)
{
	return question->mine == NULL || question->mine[i] != NULL;
}

static struct ctl_gather *gather_new(const struct ctl *ctl, const struct ctl_question *question,
				     size_t count)
{
	struct ctl_gather *gather = mem_alloc(sizeof(*gather) + count * sizeof(gather->parts[0]));
	unsigned asked = 0;

	for (size_t i = 0; i < count; i++)
		asked += is_asked(question, i);
	gather->conf = ctl->conf;
	gather->run = question->run;
	gather->count = count;
	gather->done = eventfd(asked == 0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&gather->refs, asked + 1);
	atomic_store(&gather->pending, asked);
	return gather;
}

static void post(struct ctl_gather *gather, size_t i, struct loop *loop)
{
	struct ctl_part *part = &gather->parts[i];

	part->work.run = on_loop;
	part->gather = gather;
	loop_post(loop, &part->work);
}

/* Without a descriptor to be woken by we look now and then. */
static int wait_for_all(struct ctl *ctl, struct ctl_gather *gather)
{
	int64_t due = ctl_now_ms() + CTL_PATIENCE_MS;
	int r = -ETIMEDOUT;

	if (gather->done >= 0)
		return ctl_wait(gather->done, POLLIN, ctl->stopping, due);
	while (r == -ETIMEDOUT && atomic_load(&gather->pending) && ctl_now_ms() < due)
		r = ctl_wait(-1, 0, ctl->stopping, ctl_now_ms() + LOOK_MS);
	return r == -ECANCELED ? r : 0;
}

static struct ctl_gather *await(struct ctl *ctl, struct ctl_gather *gather, struct fault *fault)
{
	int r = wait_for_all(ctl, gather);

	/* The load orders what the loops wrote before what we read. */
	if (r == 0 && atomic_load(&gather->pending) == 0)
		return gather;
	if (r == -ECANCELED)
		fault_set(fault, r, "the daemon is stopping");
	else
		fault_set(fault, -ETIMEDOUT, "%u of %zu loops did not answer within %d s",
			  atomic_load(&gather->pending), gather->count, CTL_PATIENCE_MS / 1000);
	ctl_gather_free(&gather);
	return NULL;
}

struct ctl_gather *ctl_gather_shards(struct ctl *ctl, const struct ctl_question *question,
				     struct fault *fault)
{
	struct ctl_gather *gather = gather_new(ctl, question, ctl->conf.shard_count);

	for (size_t i = 0; i < gather->count; i++) {
		gather->parts[i].shard = ctl->shards[i];
		gather->parts[i].mine = question->mine ? question->mine[i] : NULL;
		if (is_asked(question, i))
			post(gather, i, ctl->shards[i].loop);
	}
	return await(ctl, gather, fault);
}

struct ctl_gather *ctl_gather_main(struct ctl *ctl, const struct ctl_question *question,
				   struct fault *fault)
{
	struct ctl_gather *gather = gather_new(ctl, question, 1);

	post(gather, 0, ctl->conf.loop);
	return await(ctl, gather, fault);
}

/* What was made of the answers may share parts with them, so they go on this thread, not with the last
 * loop to let go. */
void ctl_gather_free(struct ctl_gather **gather)
{
	struct ctl_gather *g = *gather;

	*gather = NULL;
	if (g == NULL)
		return;
	if (atomic_load(&g->pending) == 0)
		drop_answers(g);
	unref(g);
}
