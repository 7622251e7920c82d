/* spool/scan.h: one segment from front to end, record by record, past whatever is damaged.
 *
 * Shape    scan_open -> scan_next ... SCAN_END -> scan_close
 * Owns     a descriptor and a window of the file; a payload lives until the next call
 * Errors   damage is an item, not an error; what the disk refuses to give reads as zeros
 * Source   doc/spool.md, "Damage"
 */
#pragma once

#include "base/fault.h"
#include "record.h"
#include "spool/disk.h"

struct scan {
	const struct spool_disk *disk;
	int fd;
	uint64_t size, at;
	uint64_t seal;
	struct segment_header header;
	bool has_header[2];   /* which of the two copies are whole */
	bool is_clean_header; /* and nothing stands between them */
	unsigned unreadable;  /* blocks that the disk refused to give */
	unsigned char *window;
	uint64_t from;
	size_t filled, cap;
	size_t least;	/* octets read at once; 0: as fits a whole file, with more under way */
	uint64_t ahead; /* how far reading ahead was asked for */
};

enum scan_kind {
	SCAN_RECORD,
	SCAN_DAMAGE, /* octets [offset, offset + octets) hold no whole record */
	SCAN_END,
};

struct scan_item {
	enum scan_kind kind;
	uint64_t offset, octets;
	struct record record; /* DAMAGE: type 0 when not even the header is whole */
	struct span payload;  /* RECORD */
	struct span whole;    /* RECORD: header, payload and padding */
	bool has_bad_padding; /* RECORD: whole, but what fills it up to 8 octets is not zero */
	bool is_tail;	      /* DAMAGE: no record follows it */
};

/* Opens the file and reads its header. -EBADMSG: neither copy of the header is whole, scan_next()
 * must not be called unless scan->seal is set to the one that the other segments have. -ENOTSUP: a
 * later version. In both cases, and on success, scan_close() is due. */
int scan_open(struct scan *scan, const struct spool_disk *disk, const char *dir, uint64_t number,
	      struct fault *fault);
void scan_close(struct scan *scan);
enum scan_kind scan_next(struct scan *scan, struct scan_item *item);
/* n octets at `offset`, NULL when the file is shorter. */
const unsigned char *scan_look(struct scan *scan, uint64_t offset, size_t n);
