#include "intake.h"

#include "inside.h"
#include "stow.h"

#include "base/mem.h"

#include <stdlib.h>

struct intake {
	struct intake_conf conf;
	struct stow *stow;
};

static void on_room(void *user)
{
	struct intake *in = user;

	if (in->conf.room)
		in->conf.room(in->conf.user);
}

static void on_committed(void *user, int status, const struct fault *fault)
{
	struct intake *in = user;
	int64_t reserved;

	if (status == 0) {
		struct buf *memory = stow_hand_over(in->stow, &reserved);

		queue_add(in->conf.queue, stow_envelope(in->stow), memory, reserved);
	}
	in->conf.done(in->conf.user, status, fault);
	stow_free(&in->stow);
	free(in);
}

struct intake *intake_new(const struct intake_conf *conf)
{
	struct intake *in = mem_new(struct intake);

	in->conf = *conf;
	in->stow = stow_new(&(struct stow_conf){
		.queue = conf->queue, .room = on_room, .committed = on_committed, .user = in });
	return in;
}

uint64_t intake_qid(const struct intake *in)
{
	return stow_qid(in->stow);
}

bool intake_put(struct intake *in, struct span content)
{
	return stow_put(in->stow, content);
}

void intake_commit(struct intake *in, struct envelope *envelope)
{
	stow_commit(in->stow, envelope);
}

void intake_drop(struct intake **intake)
{
	struct intake *in = *intake;

	if (in == NULL)
		return;
	*intake = NULL;
	stow_free(&in->stow);
	free(in);
}
