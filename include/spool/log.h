/* spool/log.h: the durable log of everything accepted and not yet settled.
 *
 * Shape    spool_put(write) -> one fdatasync for all that wait -> write->done posted to its home
 * Thread   spool_put and spool_new_id from any; one committer thread owns all writes; spool_read from
 *          any thread that may wait (a lane)
 * Owns     the segment files below dir and an index of what is live in them; the octets of a write
 *          stay the caller's until done
 * Units    sizes in octets, times in ms since the epoch
 * Errors   -ENOSPC, -EDQUOT, -EIO ...: nothing of that batch counts as stored; a failed fdatasync is
 *          final for its segment, and whatever uncommitted content stood in it
 * Source   doc/spool.md
 *
 * A message is: content chunks in order, one envelope (its arrival is the commit), at most one
 * current note (a later one replaces it), then settled. The spool does not know what envelope and
 * note say.
 */
#pragma once

#include "base/buf.h"
#include "base/counters.h"
#include "base/fault.h"
#include "base/work.h"

struct spool;
struct spool_disk;

struct spool_found {
	uint64_t id;
	struct span envelope, note; /* note.len 0: none. They live for the length of the call */
	uint64_t content_octets;
	unsigned chunks;
};

struct spool_conf {
	const char *dir;
	const struct spool_disk *disk; /* NULL: the real one (spool/disk.h) */
	uint64_t segment_octets;       /* a segment is closed once it is longer; 0: 64 MiB */
	uint64_t reserve_octets;       /* below so much free space spool_may_accept() is false */
	int64_t lazy_ms;	       /* a lazy write waits so long for company; 0: 50 ms */
	work_post post;		       /* how done gets home */
	struct counters *counters;     /* may be NULL */
	int64_t (*wall_ms)(void);      /* for new ids */
	bool is_read_only;	       /* no lock, no repair, no committer: for checking a spool */
	/* Under load a sync waits so long at most for company. 0: 5000; below 0: never. */
	int64_t gather_us;
	/* Recovery: each live message in the order of its commit. May be NULL. */
	void (*found)(void *user, const struct spool_found *message);
	/* Recovery: what was damaged, cut off or skipped, with the ids it touches. May be NULL. */
	void (*damaged)(void *user, const struct fault *what);
	void *user;
};

/* Makes the directory when it is missing (0700), locks it (a second daemon is refused with -EBUSY),
 * recovers, and starts the committer. NULL and a fault on failure. */
struct spool *spool_open(const struct spool_conf *conf, struct fault *fault);
/* Writes and syncs what waits, lets every done go home, ends the committer, unlocks. */
void spool_close(struct spool **spool);

/* Greater than every id that this spool ever held, also when the clock went back. */
uint64_t spool_new_id(struct spool *spool);
/* False: too little space, or no segment can be opened or written; *why then says so. */
bool spool_may_accept(struct spool *spool, struct fault *why);

enum spool_write_kind {
	/* A chunk of content, at most SPOOL_CHUNK_MAX; done when written, not synced. After one failed
	 * the message can only be dropped. */
	SPOOL_CONTENT,
	/* The envelope, with a last chunk of content where there is one; synced, never lazy. When it
	 * fails the message is gone: there is nothing to drop. */
	SPOOL_COMMIT,
	/* Replaces the message's note; synced (a lazy one too, but it wakes nobody). -ENOENT: there is no
	 * such message. */
	SPOOL_NOTE,
	/* The message is done with; synced unless lazy. Its done comes after the write. When it fails
	 * the spool still writes it as soon as it can; to settle what is not there is no error. */
	SPOOL_SETTLE,
	SPOOL_DROP, /* an uncommitted message is given up; writes and syncs nothing */
};

enum { SPOOL_CHUNK_MAX = 256 * 1024 };

struct spool_write {
	struct work done; /* run on `home` with status and fault filled */
	void *home;
	struct list_node node; /* private */
	enum spool_write_kind kind;
	uint64_t id;
	struct span content;	     /* CONTENT, COMMIT */
	struct span record;	     /* the envelope or the note */
	bool is_lazy;		     /* no hurry: rides along with the next batch */
	unsigned char header[2][64]; /* private */
	int status;
	struct fault fault;
};

/* In the order of the calls for one id. Never calls done itself. */
void spool_put(struct spool *spool, struct spool_write *write);

/* Chunk `index` of a message, checked against its checksum, appended to *out. Of one that is not
 * committed yet too: each chunk from the done() of its write with status 0 on, until the message is
 * dropped; an empty content with COMMIT makes no chunk. -ENODATA: there are no more chunks, so far;
 * -ENOENT: no such message (any more); -EBADMSG: damaged; -EIO: so says the disk, or an
 * uncommitted message lost content by a failed write or sync: no chunk of it can be read any more.
 * On failure *out is as before. */
int spool_read(struct spool *spool, uint64_t id, unsigned index, struct buf *out,
	       struct fault *fault);
/* The envelope and the note as last written; either buf may be NULL. */
int spool_read_records(struct spool *spool, uint64_t id, struct buf *envelope, struct buf *note,
		       struct fault *fault);
