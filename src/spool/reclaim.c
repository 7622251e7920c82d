#include "reclaim.h"

#include "head.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { PORTION_OCTETS = 256 * 1024, PORTION_SCANNED = 2 * 1024 * 1024, PORTION_RECORDS = 512 };

/* A minute, mostly. Then a note is given up, and what else is live keeps the segment. */
enum { TRIES_MOST = 60 };

/* A head that is shorter is not worth a new one. */
enum { WORTH_OCTETS = 64 * 1024 };

struct move {
	struct record record;
	struct place from, to;
};

struct portion {
	struct buf octets;
	struct move moves[PORTION_RECORDS];
	unsigned count;
};

void reclaim_stop(struct spool *s)
{
	if (s->copying.is_active)
		scan_close(&s->copying.scan);
	s->copying.is_active = false;
}

/* The name that the index has for this record, NULL when it is none of the message's (any more). */
static struct place *place_of(struct spool *s, const struct record *record)
{
	struct message *m = index_find(&s->index, record->id);

	if (m == NULL)
		return NULL;
	switch (record->type) {
	case RECORD_CONTENT:
		return record->part < m->chunks ? message_chunk(m, record->part) : NULL;
	case RECORD_ENVELOPE:
		return &m->envelope;
	case RECORD_NOTE:
		return &m->note;
	case RECORD_SETTLE:
		break;
	}
	return NULL;
}

static void add_if_live(struct spool *s, struct portion *p, const struct scan_item *item)
{
	struct place from = { s->copying.number, (uint32_t)(item->offset / RECORD_ALIGN),
			      item->record.length };
	struct place *now;

	pthread_mutex_lock(&s->index_lock);
	now = place_of(s, &item->record);
	if (now && place_eq(*now, from)) {
		p->moves[p->count++] = (struct move){
			.record = item->record,
			.from = from,
			.to = { .unit = (uint32_t)(p->octets.len / RECORD_ALIGN),
				.length = from.length },
		};
		buf_put_span(&p->octets, item->whole);
	}
	pthread_mutex_unlock(&s->index_lock);
}

/* False: the segment has been gone through. */
static bool gather(struct spool *s, struct portion *p)
{
	struct scan *scan = &s->copying.scan;
	uint64_t end = scan->at + PORTION_SCANNED;
	struct scan_item item;

	while (scan->at < end && p->octets.len < PORTION_OCTETS && p->count < PORTION_RECORDS) {
		switch (scan_next(scan, &item)) {
		case SCAN_RECORD:
			add_if_live(s, p, &item);
			break;
		case SCAN_DAMAGE:
			break;
		case SCAN_END:
			return false;
		}
	}
	return true;
}

/* Meanwhile nothing else has changed the index: the committer is this thread. */
static void apply(struct spool *s, struct portion *p, uint64_t start)
{
	pthread_mutex_lock(&s->index_lock);
	for (unsigned i = 0; i < p->count; i++) {
		struct move *move = &p->moves[i];
		struct place *now = place_of(s, &move->record);

		move->to.segment = s->head.number;
		move->to.unit += (uint32_t)(start / RECORD_ALIGN);
		if (now && place_eq(*now, move->from))
			segments_move(&s->segments, now, move->to);
	}
	pthread_mutex_unlock(&s->index_lock);
}

static int store(struct spool *s, struct portion *p)
{
	struct span octets = buf_span(&p->octets);
	struct iovec piece = { (void *)(uintptr_t)octets.at, octets.len };
	struct fault *fault = &s->reclaim_fault;
	uint64_t start;
	int status;

	if (p->count == 0)
		return 0;
	status = head_ready(s, fault);
	if (status < 0)
		return status;
	start = s->head.end;
	status = head_write(s, &piece, 1, octets.len, fault);
	if (status == 0)
		status = head_sync(s, fault);
	if (status == 0)
		apply(s, p, start);
	return status;
}

/* An unreadable note costs at most a second delivery: it must not keep a segment. */
static void forget_notes(struct spool *s, uint32_t number)
{
	const struct place nowhere = { 0 };
	struct message *m;
	size_t at = 0;

	pthread_mutex_lock(&s->index_lock);
	while ((m = index_next(&s->index, &at)) != NULL)
		if (m->note.segment == number)
			segments_move(&s->segments, &m->note, nowhere);
	pthread_mutex_unlock(&s->index_lock);
}

/* It came to nothing: not at once again. */
static bool pause_a_while(struct spool *s)
{
	s->copying.retry_at_ms = s->now_ms + SPOOL_PAUSE_MS;
	return false;
}

/* What the disk refuses to give now it may give in a second. */
static bool may_try_again(struct spool *s, struct segment *oldest)
{
	if (oldest->live_records == 0 || s->copying.scan.unreadable == 0 ||
	    oldest->tries++ >= TRIES_MOST)
		return false;
	fault_set(&s->reclaim_fault, -EIO, "%s: blocks of segment %" PRIx32 " cannot be read",
		  s->dir, oldest->number);
	return true;
}

static bool end_copying(struct spool *s)
{
	struct segment *oldest = &s->segments.at[0];
	bool is_to_be_tried = may_try_again(s, oldest);

	reclaim_stop(s);
	if (is_to_be_tried)
		return pause_a_while(s);
	if (oldest->live_records)
		forget_notes(s, oldest->number);
	oldest->is_stuck = oldest->live_records != 0;
	return true;
}

static bool copy_portion(struct spool *s)
{
	struct portion p = { .count = 0 };
	bool has_more = gather(s, &p);
	int status = store(s, &p);

	buf_fini(&p.octets);
	if (status < 0) {
		reclaim_stop(s);
		return pause_a_while(s);
	}
	return has_more || end_copying(s);
}

static bool is_half_dead(const struct segment *segment)
{
	return segment->live_octets <= segment->octets / 2;
}

/* Worth it once more than half of the log is dead: then each octet is rewritten once on average,
 * and the log is never longer than twice what is live and two segments. On a full disk sooner. */
static bool is_worth_copying(const struct spool *s)
{
	const struct segments *all = &s->segments;
	const struct segment *oldest = &all->at[0];

	if (oldest->is_stuck || oldest->seal != s->seal || s->now_ms < s->copying.retry_at_ms)
		return false;
	if (oldest->number <= s->rewrite_up_to)
		return true;
	if (s->space.code)
		return is_half_dead(oldest);
	return all->octets > 2 * all->live_octets + 2 * s->conf.segment_octets;
}

/* Nothing comes in, so that the head would never grow to its end, and what is dead in it and before
 * it would keep the disk full for ever. */
void reclaim_for_room(struct spool *s)
{
	const struct segment *head;

	if (s->space.code == 0 || s->head.fd < 0 || s->is_frozen)
		return;
	head = segments_find(&s->segments, s->head.number);
	if (head->octets >= WORTH_OCTETS && is_half_dead(head))
		head_renew(s);
}

static bool begin_copying(struct spool *s)
{
	s->copying.number = s->segments.at[0].number;
	if (scan_open(&s->copying.scan, s->disk, s->dir, s->copying.number, &s->reclaim_fault) <
		    0 &&
	    s->copying.scan.fd < 0)
		return pause_a_while(s);
	s->copying.scan.seal = s->segments.at[0].seal;
	s->copying.is_active = true;
	return true;
}

static int take_away(struct spool *s, const char *name)
{
	if (s->take_away && s->segments.at[0].is_damaged)
		return s->take_away(s, name);
	return s->disk->unlink(s->disk->user, s->dir, name);
}

/* One name at a time reaches stable storage: a segment must not come back without the later one
 * that says that its messages are settled. For the same reason settle records are synced first. */
static bool unlink_oldest(struct spool *s)
{
	char name[SEGMENT_NAME_MAX];
	struct fault fault;
	int status;

	if (s->unsynced.count)
		head_sync(s, &fault);
	segment_name(s->segments.at[0].number, name);
	status = s->must_sync_dir ? 0 : take_away(s, name);
	if (status == 0 || status == -ENOENT) {
		s->must_sync_dir = true;
		status = s->disk->sync_dir(s->disk->user, s->dir);
	}
	if (status < 0) {
		fault_set(&s->reclaim_fault, status, "removing %s/%s: %s", s->dir, name,
			  strerror(-status));
		return pause_a_while(s);
	}
	s->must_sync_dir = false;
	pthread_mutex_lock(&s->index_lock);
	segments_remove_oldest(&s->segments);
	pthread_mutex_unlock(&s->index_lock);
	return true;
}

static bool is_head(const struct spool *s, const struct segment *segment)
{
	return s->head.fd >= 0 && segment->number == s->head.number;
}

/* Settle records that are owed go first, unless only the space to be given back makes room for
 * them. */
static bool must_wait(const struct spool *s)
{
	bool can_write = s->head.fd >= 0 && s->space.code == 0;

	return (s->owed.count && can_write) || s->now_ms < s->copying.retry_at_ms;
}

bool reclaim_step(struct spool *s)
{
	if (s->is_frozen || s->segments.count == 0 || is_head(s, &s->segments.at[0]) ||
	    must_wait(s))
		return false;
	if (s->segments.at[0].live_records == 0) {
		reclaim_stop(s);
		return unlink_oldest(s);
	}
	if (s->copying.is_active)
		return copy_portion(s);
	return is_worth_copying(s) && begin_copying(s);
}
