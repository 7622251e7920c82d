/* spool/check.h: looks through a spool without a daemon, and mends one that is damaged.
 *
 * Shape    spool_check() reads everything and tells what it finds; spool_repair() does the same and, where
 *          anything is damaged, sets it aside
 * Thread   the caller's; everything is told from inside the call
 * Owns     nothing; what is told lives for the length of that call
 * Memory   that of a daemon's start (doc/spool.md, "Memory"), and 200 octets for each segment
 * Errors   damage is told, not an error. -EBUSY: in use (repair); -ENOTSUP: written by a later
 *          version; -ENOSPC, -EIO ...: the repair came to a stop, and can be made again at any time
 *
 * A check writes nothing and takes no lock: beside a running daemon it sees a moving picture.
 *
 * A repair keeps every message that is whole. Those with a record in a segment up to the last damaged
 * one are written again, and synced, before the segments go, oldest first; a damaged segment is not
 * unlinked but moved to the directory damaged-TIME in the spool. So the power may go at any point. What can
 * be said of a message that is not whole, and its whole chunks, are left there too: QID.txt and
 * QID.content.
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"

struct spool_disk;

/* What begins so is another's and no surprise in the directory: the daemon's table of last uses. */
#define SPOOL_GUEST_PREFIX "last-use"

struct spool_check_segment {
	const char *name;
	uint64_t number, octets;
	uint64_t records, contents, envelopes, notes, settles; /* whole ones */
	uint64_t live_messages;				       /* whose envelope stands here */
	uint64_t live_records, live_octets, dead_octets;
	uint64_t damages, damaged_octets; /* without the torn tail */
	uint64_t tail_octets;		  /* behind the last whole record */
	unsigned unreadable;		  /* blocks that the disk refused to give */
	unsigned version;
	bool has_damaged_header; /* one of its copies, or both */
	bool is_newest;
	bool is_damaged; /* in any way, a torn tail of the newest while a daemon writes apart */
	const char *left_alone; /* why it is not read at all; NULL: it is */
};

struct spool_check_damage {
	const char *segment;
	uint64_t offset, octets;
	bool is_tail;
	const char *record; /* what kind of record it was; NULL: that cannot be told */
	uint64_t id;
};

struct spool_check_message {
	uint64_t id;
	const char *what;     /* "is not delivered: a part of its content is missing" */
	struct span envelope; /* len 0: it cannot be read */
	uint64_t chunks;      /* there should be, as far as is known */
	uint64_t chunks_whole, octets_whole;
	uint64_t first_missing; /* chunk; == chunks: none */
};

struct spool_check_totals {
	uint64_t segments, octets, records;
	uint64_t messages, live_octets; /* whole ones */
	uint64_t damaged_segments, damages, damaged_messages;
	uint64_t unknown_files;
	bool is_in_use;	    /* by the process holder_pid, where that can be told */
	int64_t holder_pid; /* 0: cannot be told */
	/* Of a repair. */
	uint64_t rewritten_messages, segments_set_aside;
	char set_aside[256]; /* the directory; "": nothing was */
};

struct spool_check {
	const char *dir;
	const struct spool_disk *disk; /* NULL: the real one */
	/* Each may be NULL. Damages come first, then messages, then segments in their order. */
	void (*damage)(void *user, const struct spool_check_damage *damage);
	void (*message)(void *user, const struct spool_check_message *message);
	void (*segment)(void *user, const struct spool_check_segment *segment);
	void (*other)(void *user, const char *name); /* a file that is none of the spool's */
	/* Repair: what an envelope says, in words, for QID.txt. */
	void (*describe)(void *user, struct span envelope, struct buf *out);
	void *user;
	int64_t (*wall_ms)(void); /* names the directory; NULL: the clock's */
};

/* 0 also where there is damage: totals say so. */
int spool_check(const struct spool_check *check, struct spool_check_totals *out,
		struct fault *fault);
int spool_repair(const struct spool_check *check, struct spool_check_totals *out,
		 struct fault *fault);

static inline bool spool_check_is_clean(const struct spool_check_totals *totals)
{
	return totals->damaged_segments == 0 && totals->damaged_messages == 0;
}
