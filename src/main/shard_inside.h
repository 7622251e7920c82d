/* main/shard_inside.h: what the files of a shard know of each other. */
#pragma once

#include "shard.h"

struct shard {
	struct shard_conf conf;
	struct spool *spool;
	struct loop *loop;
	struct worker_pool *workers; /* they check the logins of our clients */
	struct smarthost_logins logins;
	struct relay *relay;
	struct queue *queue;
	struct submit *submit;
	struct list doors;
	struct timer look;
	struct work probe_work, stop_work, stopped_work;
	int64_t grace_ms;
	unsigned ending; /* of queue and relay, how many have not ended yet */
	void (*stopped)(void *user);
	void *stopped_user;
};
