#include "spool/log.h"

#include "base/mem.h"
#include "base/require.h"
#include "committer.h"
#include "head.h"
#include "reclaim.h"
#include "recover.h"
#include "space.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { LAZY_MS = 50, ID_BITS_BELOW_MS = 20 };

static const uint64_t SEGMENT_OCTETS = 64u << 20, SEGMENT_OCTETS_MOST = 8ull << 30;

void id_list_add(struct id_list *list, uint64_t id)
{
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->at = mem_resize(list->at, list->cap * sizeof(uint64_t));
	}
	list->at[list->count++] = id;
}

void id_list_fini(struct id_list *list)
{
	free(list->at);
	*list = (struct id_list){ 0 };
}

static int64_t real_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void init_waiting(struct waiting *w)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&w->writes);
	w->lazy_since_ms = -1;
}

static struct spool *new_spool(const struct spool_conf *conf)
{
	struct spool *s = mem_new(struct spool);

	s->conf = *conf;
	s->disk = conf->disk ? conf->disk : &spool_disk_real;
	s->dir = mem_text(conf->dir);
	s->conf.dir = s->dir;
	s->counters = conf->counters ? conf->counters : &s->unasked_counters;
	if (s->conf.segment_octets == 0)
		s->conf.segment_octets = SEGMENT_OCTETS;
	if (s->conf.segment_octets > SEGMENT_OCTETS_MOST)
		s->conf.segment_octets = SEGMENT_OCTETS_MOST;
	if (s->conf.gather_us == 0)
		s->conf.gather_us = GATHER_MOST_US;
	if (s->conf.lazy_ms == 0)
		s->conf.lazy_ms = LAZY_MS;
	if (s->conf.wall_ms == NULL)
		s->conf.wall_ms = real_wall_ms;
	s->lock_fd = s->head.fd = -1;
	s->next_number = 1;
	s->sequence = 1;
	init_waiting(&s->waiting);
	pthread_mutex_init(&s->index_lock, NULL);
	pthread_mutex_init(&s->refusal_lock, NULL);
	index_init(&s->index);
	return s;
}

static void free_spool(struct spool **spool)
{
	struct spool *s = *spool;

	reclaim_stop(s);
	head_close(s);
	if (s->lock_fd >= 0)
		s->disk->close(s->disk->user, s->lock_fd);
	index_fini(&s->index);
	segments_fini(&s->segments);
	id_list_fini(&s->owed);
	id_list_fini(&s->unsynced);
	buf_fini(&s->owed_headers);
	buf_fini(&s->pieces);
	pthread_mutex_destroy(&s->refusal_lock);
	pthread_mutex_destroy(&s->index_lock);
	pthread_cond_destroy(&s->waiting.wake);
	pthread_mutex_destroy(&s->waiting.lock);
	free(s->dir);
	free(s);
	*spool = NULL;
}

static int lock(struct spool *s, struct fault *fault)
{
	int status = s->disk->make_dir(s->disk->user, s->dir, 0700);

	if (status < 0)
		return fault_set(fault, status, "making the directory %s: %s", s->dir,
				 strerror(-status));
	s->lock_fd = s->disk->lock_dir(s->disk->user, s->dir);
	if (s->lock_fd == -EBUSY)
		return fault_set(fault, -EBUSY, "%s is in use by another postern", s->dir);
	if (s->lock_fd == -EROFS)
		return fault_set(
			fault, -EROFS,
			"%s is on a file system that can only be read: mail cannot be kept "
			"there",
			s->dir);
	if (s->lock_fd < 0)
		return fault_set(fault, s->lock_fd, "locking %s: %s", s->dir,
				 strerror(-s->lock_fd));
	return 0;
}

/* The seal of the segments there are goes on; a new spool draws one. */
static int choose_seal(struct spool *s, struct fault *fault)
{
	while (s->seal == 0)
		if (getrandom(&s->seal, sizeof(s->seal), 0) != sizeof(s->seal))
			return fault_set(fault, -errno, "no random octets: %s", strerror(errno));
	return 0;
}

/* A disk that cannot be written does not keep the spool from being read and delivered. */
int spool_start_writing(struct spool *s, struct fault *fault)
{
	struct fault refusal;
	int status = choose_seal(s, fault);

	if (status < 0)
		return status;
	space_look(s);
	head_ready(s, &refusal);
	return 0;
}

struct spool *spool_recover(const struct spool_conf *conf, const struct recover_watch *watch,
			    struct fault *fault)
{
	struct spool *s = new_spool(conf);

	s->watch = watch;
	if (!conf->is_read_only && lock(s, fault) < 0)
		goto fail;
	if (recover_all(s, fault) < 0)
		goto fail;
	recover_tell(s);
	return s;
fail:
	free_spool(&s);
	return NULL;
}

struct spool *spool_open_idle(const struct spool_conf *conf, struct fault *fault)
{
	struct spool *s;

	require(conf->is_read_only || conf->post);
	s = spool_recover(conf, NULL, fault);
	if (s && !conf->is_read_only && spool_start_writing(s, fault) < 0)
		free_spool(&s);
	return s;
}

struct spool *spool_open(const struct spool_conf *conf, struct fault *fault)
{
	struct spool *s = spool_open_idle(conf, fault);

	if (s && !conf->is_read_only && committer_start(s, fault) < 0)
		free_spool(&s);
	return s;
}

void spool_close(struct spool **spool)
{
	if (*spool == NULL)
		return;
	committer_stop(*spool);
	if (!(*spool)->conf.is_read_only)
		committer_finish(*spool);
	free_spool(spool);
}

uint64_t spool_new_id(struct spool *spool)
{
	int64_t now_ms = spool->conf.wall_ms();
	uint64_t wall = now_ms > 0 ? (uint64_t)now_ms << ID_BITS_BELOW_MS : 0;
	uint64_t last = atomic_load(&spool->last_id), id;

	do
		id = wall > last ? wall : last + 1;
	while (!atomic_compare_exchange_weak(&spool->last_id, &last, id));
	return id;
}

void spool_note_refusal(struct spool *s)
{
	const struct fault *why = s->head.fd < 0 ? &s->head.fault : &s->space;

	pthread_mutex_lock(&s->refusal_lock);
	s->refusal = *why;
	atomic_store(&s->is_accepting, why->code == 0);
	pthread_mutex_unlock(&s->refusal_lock);
}

bool spool_may_accept(struct spool *spool, struct fault *why)
{
	bool may;

	if (atomic_load(&spool->is_accepting))
		return true;
	/* Again, so that a no has its reason: room may have come in between. */
	pthread_mutex_lock(&spool->refusal_lock);
	may = atomic_load(&spool->is_accepting);
	if (!may && why)
		*why = spool->refusal;
	pthread_mutex_unlock(&spool->refusal_lock);
	return may;
}

static bool wants_sync(const struct spool_write *write)
{
	return write->kind != SPOOL_CONTENT && write->kind != SPOOL_DROP;
}

void spool_put(struct spool *spool, struct spool_write *write)
{
	struct waiting *w = &spool->waiting;
	bool is_urgent = !write->is_lazy || write->kind == SPOOL_COMMIT;
	bool must_wake;

	require(!spool->conf.is_read_only && write->id != 0);
	pthread_mutex_lock(&w->lock);
	list_push_back(&w->writes, &write->node);
	must_wake = is_urgent ? w->urgent++ == 0 : w->is_sleeping_long;
	if (is_urgent && wants_sync(write) && ++w->to_sync == GATHER_GOAL)
		must_wake |= w->is_gathering;
	pthread_mutex_unlock(&w->lock);
	if (must_wake)
		pthread_cond_signal(&w->wake);
}
