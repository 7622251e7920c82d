#include "shard_inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENCE_S = 10 };

struct part {
	struct work work;
	struct revocation *whole;
	struct shard *shard;
};

/* Held by who asks and by each loop: one that hangs must not hold who asks for ever. */
struct revocation {
	char *account, *credential;
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned pending;
	size_t ended;
	struct part parts[];
};

static void unref(struct revocation *r)
{
	if (atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->done);
	free(r->account);
	free(r->credential);
	free(r);
}

static void run(struct work *work)
{
	struct part *part = work_entry(work, struct part, work);
	struct revocation *r = part->whole;
	size_t ended = 0;

	if (part->shard->submit)
		ended = submit_revoke(part->shard->submit, r->account, r->credential);
	pthread_mutex_lock(&r->lock);
	r->ended += ended;
	if (--r->pending == 0)
		pthread_cond_signal(&r->done);
	pthread_mutex_unlock(&r->lock);
	unref(r);
}

static struct revocation *revocation_new(unsigned count, const char *account,
					 const char *credential)
{
	struct revocation *r = mem_alloc(sizeof(*r) + count * sizeof(r->parts[0]));
	pthread_condattr_t monotonic;

	r->account = mem_text(account);
	r->credential = credential ? mem_text(credential) : NULL;
	r->refs = count + 1;
	r->pending = count;
	require(pthread_condattr_init(&monotonic) == 0);
	require(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	require(pthread_mutex_init(&r->lock, NULL) == 0);
	require(pthread_cond_init(&r->done, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	return r;
}

size_t shards_revoke(struct shard *const *shards, unsigned count, const char *account,
		     const char *credential)
{
	struct revocation *r = revocation_new(count, account, credential);
	struct timespec due;
	size_t ended;

	for (unsigned i = 0; i < count; i++) {
		r->parts[i] = (struct part){ .work.run = run, .whole = r, .shard = shards[i] };
		loop_post(shards[i]->loop, &r->parts[i].work);
	}
	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&r->lock);
	while (r->pending && pthread_cond_timedwait(&r->done, &r->lock, &due) == 0)
		continue;
	ended = r->ended;
	pthread_mutex_unlock(&r->lock);
	unref(r);
	return ended;
}
