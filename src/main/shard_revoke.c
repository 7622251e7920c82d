#include "shard_inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENCE_S = 10 };

/* Held by who asks and by the loop: a loop that hangs must not hold who asks for ever. */
struct revocation {
	struct work work;
	struct shard *shard;
	char *account, *credential;
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
	size_t count;
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
	struct revocation *r = work_entry(work, struct revocation, work);
	size_t count = 0;

	if (r->shard->submit)
		count = submit_revoke(r->shard->submit, r->account, r->credential);
	pthread_mutex_lock(&r->lock);
	r->count = count;
	r->is_done = true;
	pthread_cond_signal(&r->done);
	pthread_mutex_unlock(&r->lock);
	unref(r);
}

static struct revocation *revocation_new(struct shard *shard, const char *account,
					 const char *credential)
{
	struct revocation *r = mem_new(struct revocation);
	pthread_condattr_t monotonic;

	r->work.run = run;
	r->shard = shard;
	r->account = mem_text(account);
	r->credential = credential ? mem_text(credential) : NULL;
	r->refs = 2;
	require(pthread_condattr_init(&monotonic) == 0);
	require(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	require(pthread_mutex_init(&r->lock, NULL) == 0);
	require(pthread_cond_init(&r->done, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	return r;
}

size_t shard_revoke(struct shard *shard, const char *account, const char *credential)
{
	struct revocation *r = revocation_new(shard, account, credential);
	struct timespec due;
	size_t count;

	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += PATIENCE_S;
	loop_post(shard->loop, &r->work);
	pthread_mutex_lock(&r->lock);
	while (!r->is_done && pthread_cond_timedwait(&r->done, &r->lock, &due) == 0)
		continue;
	count = r->count;
	pthread_mutex_unlock(&r->lock);
	unref(r);
	return count;
}
