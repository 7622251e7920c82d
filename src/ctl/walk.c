#include "walk.h"

#include "base/mem.h"

#include <stdlib.h>

enum { VISIT_MOST = 5000, STEP = 250 };

static void visit(void *user, const struct queue_view *view)
{
	struct ctl_walker *walker = user;

	if (!ctl_filter_takes(&walker->filter, view, walker->now_ms))
		return;
	walker->taken++;
	walker->kind->take(walker, view);
}

static void run_portion(struct ctl_part *part)
{
	struct ctl_walker *walker = part->mine;

	if (!walker->is_begun) {
		walker->is_begun = true;
		walker->now_ms = wall_now_ms();
		queue_walk_init(&walker->walk, walker->shard.queue);
	}
	walker->taken = 0;
	for (size_t n = 0; n < VISIT_MOST && walker->taken < walker->kind->take_most; n += STEP)
		if (!queue_walk(&walker->walk, STEP, visit, walker)) {
			walker->is_over = true;
			break;
		}
	if (walker->kind->answer)
		part->answer = walker->kind->answer(walker);
}

static void run_end(struct work *work)
{
	struct ctl_walker *walker = work_entry(work, struct ctl_walker, work);

	if (walker->is_begun)
		queue_walk_fini(&walker->walk);
	walker->kind->free(walker->state);
	ctl_filter_fini(&walker->filter);
	free(walker);
}

static struct ctl_walker *walker_new(const struct ctl_shard *shard,
				     const struct ctl_walk_kind *kind, void *state)
{
	struct ctl_walker *walker = mem_new(struct ctl_walker);

	walker->work.run = run_end;
	walker->kind = kind;
	walker->shard = *shard;
	walker->state = state;
	return walker;
}

int ctl_walk_begin(struct ctl_walk *walk, struct ctl *ctl, const struct ctl_walk_kind *kind,
		   const json_t *request, void *(*make_state)(void *user), void *user,
		   struct fault *fault)
{
	const json_t *filter = json_object_get(request, "filter");
	int r = 0;

	*walk = (struct ctl_walk){ .ctl = ctl, .count = ctl->conf.shard_count };
	walk->walkers = mem_array(walk->count, sizeof(*walk->walkers));
	walk->answers = mem_array(walk->count, sizeof(*walk->answers));
	for (size_t i = 0; i < walk->count && r == 0; i++) {
		walk->walkers[i] = walker_new(&ctl->shards[i], kind, make_state(user));
		r = ctl_filter_read(filter, &walk->walkers[i]->filter, fault);
	}
	if (r < 0)
		ctl_walk_end(walk);
	return r;
}

int ctl_walk_round(struct ctl_walk *walk, struct fault *fault)
{
	void **mine = mem_array(walk->count, sizeof(*mine));
	struct ctl_question question = { .run = run_portion, .mine = mine };
	struct ctl_gather *gather;

	for (size_t i = 0; i < walk->count; i++)
		if (!walk->walkers[i]->is_over && walk->answers[i] == NULL)
			mine[i] = walk->walkers[i];
	gather = ctl_gather_shards(walk->ctl, &question, fault);
	free(mine);
	walk->is_over = true;
	if (gather == NULL)
		return fault->code;
	for (size_t i = 0; i < walk->count; i++) {
		if (gather->parts[i].answer)
			walk->answers[i] = json_incref(gather->parts[i].answer);
		walk->is_over = walk->is_over && walk->walkers[i]->is_over;
	}
	ctl_gather_free(&gather);
	return 0;
}

void ctl_walk_end(struct ctl_walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		if (walk->walkers[i])
			loop_post(walk->ctl->shards[i].loop, &walk->walkers[i]->work);
		json_decref(walk->answers[i]);
	}
	free(walk->walkers);
	free(walk->answers);
	*walk = (struct ctl_walk){ 0 };
}
