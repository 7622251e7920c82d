/* spool/spool.h: the state that the files of this room share.
 *
 * Thread   `waiting` under its lock; index and segments changed by the committer under index_lock and
 *          read by any under it; `refusal` under its lock; everything else is the committer's
 */
#pragma once

#include "gather.h"
#include "index.h"
#include "recover.h"
#include "scan.h"
#include "segments.h"
#include "spool/disk.h"
#include "spool/log.h"

#include <pthread.h>
#include <stdatomic.h>

/* Ids whose settle record is still to be written (owed), or written but not yet synced. */
struct id_list {
	uint64_t *at;
	size_t count, cap;
};

/* The segment that is written to. fd < 0: there is none. */
struct head {
	int fd;
	uint32_t number;
	uint64_t end, synced;
	int64_t retry_at_ms; /* no attempt to open one before */
	struct fault fault;  /* why there is none */
};

/* The oldest segment, while it is being rewritten. */
struct copying {
	bool is_active;
	struct scan scan;
	uint32_t number;
	int64_t retry_at_ms;
};

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list writes;
	size_t urgent;	       /* of them not lazy, */
	size_t to_sync;	       /* and of these the ones that want a sync */
	int64_t lazy_since_ms; /* -1: not yet seen by the committer */
	bool is_sleeping_long; /* a lazy write must wake it */
	bool is_gathering;     /* and so must the one that makes the batch large enough */
	bool is_stopping;
};

struct spool {
	struct spool_conf conf;
	const struct spool_disk *disk;
	char *dir;
	int lock_fd;
	struct counters *counters, unasked_counters;
	_Atomic uint64_t last_id;
	struct waiting waiting;
	struct gather gather;

	pthread_mutex_t index_lock;
	struct index index;
	struct segments segments;

	uint64_t seal, sequence;
	uint32_t next_number;
	struct head head;
	struct copying copying;
	struct id_list owed, unsynced;
	struct buf owed_headers, pieces; /* of the batch under way */
	int64_t now_ms, next_tick_ms, awake_until_ms;
	bool has_reserve, must_sync_dir;
	bool is_frozen; /* the disk refused to give what may be there after all: nothing is reclaimed */
	uint64_t newest; /* the last segment that recovery found anything in */
	bool has_gaps;			   /* recovery met damage with whole records behind it */
	bool has_left_alone;		   /* there are segments that could not be understood */
	uint64_t oldest;		   /* what the headers say of it */
	const struct recover_watch *watch; /* of a check or repair; NULL: none */
	/* Of a repair: segments up to this one are rewritten, and how a damaged one goes. */
	uint32_t rewrite_up_to;
	int (*take_away)(struct spool *s, const char *name);
	struct fault reclaim_fault; /* why the last step came to nothing */

	struct fault space; /* code 0: there is enough */
	pthread_mutex_t refusal_lock;
	struct fault refusal;
	_Atomic bool is_accepting;

	bool has_thread;
	pthread_t thread;
};

enum { SPOOL_PAUSE_MS = 1000 };

void id_list_add(struct id_list *list, uint64_t id);
void id_list_fini(struct id_list *list);

/* Only the first half: makes, locks and recovers; nothing is written yet but what recovery cuts off. */
struct spool *spool_recover(const struct spool_conf *conf, const struct recover_watch *watch,
			    struct fault *fault);
/* The second half: space is looked at, and a segment opened where that can be. */
int spool_start_writing(struct spool *s, struct fault *fault);
/* Everything but the thread: for tests, which call committer_step() themselves. */
struct spool *spool_open_idle(const struct spool_conf *conf, struct fault *fault);
/* After a change of head or space: what spool_may_accept() says. */
void spool_note_refusal(struct spool *s);
