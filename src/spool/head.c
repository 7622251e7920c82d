#include "head.h"

#include "space.h"

#include <limits.h>

enum { SEGMENT_LEAST = 16 * 1024 };

static int head_fault(struct spool *s, int status, const char *doing, struct fault *fault)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(s->head.number, name);
	counter_add(&s->counters->spool_failures, 1);
	return fault_set(fault, status, "%s %s/%s: %s", doing, s->dir, name, strerror(-status));
}

void head_close(struct spool *s)
{
	if (s->head.fd >= 0)
		s->disk->close(s->disk->user, s->head.fd);
	s->head.fd = -1;
}

/* -EIO for a disk that writes nothing and gives no reason. */
static ssize_t write_some(struct spool *s, const struct iovec *pieces, size_t count,
			  uint64_t offset)
{
	ssize_t n;

	do
		n = s->disk->pwritev(s->disk->user, s->head.fd, pieces,
				     count < IOV_MAX ? (int)count : IOV_MAX, offset);
	while (n == -EINTR);
	return n == 0 ? -EIO : n;
}

static int write_all(struct spool *s, struct iovec *pieces, size_t count, uint64_t octets,
		     uint64_t offset)
{
	while (octets) {
		ssize_t n = write_some(s, pieces, count, offset);
		size_t left;

		if (n < 0)
			return (int)n;
		offset += (uint64_t)n;
		octets -= (uint64_t)n;
		for (left = (size_t)n; count && left >= pieces->iov_len; pieces++, count--)
			left -= pieces->iov_len;
		if (left) {
			pieces->iov_base = (unsigned char *)pieces->iov_base + left;
			pieces->iov_len -= left;
		}
	}
	return 0;
}

/* What is there and could not be read may yet be: then nothing is said. */
static uint64_t oldest_number(const struct spool *s)
{
	if (s->is_frozen || s->has_left_alone)
		return 0;
	return s->segments.count ? s->segments.at[0].number : s->head.number;
}

/* The name reaches the directory's stable storage before anything in the segment counts. */
static int begin_segment(struct spool *s)
{
	unsigned char octets[SEGMENT_RECORDS_AT] = { 0 };
	struct segment_header header = {
		.number = s->head.number,
		.seal = s->seal,
		.greatest_id = atomic_load(&s->last_id),
		.sequence = s->sequence,
		.oldest = oldest_number(s),
		.previous = s->segments.count ? s->segments.at[s->segments.count - 1].number : 0,
	};
	struct iovec piece = { octets, sizeof(octets) };
	int status;

	segment_header_encode(&header, octets);
	segment_header_encode(&header, octets + SEGMENT_HEADER_AGAIN);
	status = write_all(s, &piece, 1, sizeof(octets), 0);
	if (status == 0)
		status = s->disk->sync(s->disk->user, s->head.fd);
	if (status == 0)
		status = s->disk->sync_dir(s->disk->user, s->dir);
	return status;
}

static int try_open_segment(struct spool *s)
{
	char name[SEGMENT_NAME_MAX];
	int status;

	s->head.number = s->next_number++;
	segment_name(s->head.number, name);
	s->head.fd = s->disk->open(s->disk->user, s->dir, name, 1);
	if (s->head.fd < 0)
		return s->head.fd;
	status = begin_segment(s);
	if (status < 0) {
		head_close(s);
		s->disk->unlink(s->disk->user, s->dir, name);
	}
	return status;
}

/* A full disk still has the reserve, so that outcomes find a place. */
static int open_segment(struct spool *s)
{
	int status = try_open_segment(s);

	if (is_no_room(status) && space_release_reserve(s))
		status = try_open_segment(s);
	s->head.fault = (struct fault){ 0 };
	if (status < 0) {
		s->head.retry_at_ms = s->now_ms + SPOOL_PAUSE_MS;
		head_fault(s, status, "opening the new segment", &s->head.fault);
	} else {
		s->head.end = s->head.synced = SEGMENT_RECORDS_AT;
		pthread_mutex_lock(&s->index_lock);
		segments_grew(&s->segments, segments_add(&s->segments, s->head.number, s->seal),
			      s->head.end);
		pthread_mutex_unlock(&s->index_lock);
	}
	spool_note_refusal(s);
	return status;
}

static bool lost_content(struct message *m, uint32_t number, uint64_t synced)
{
	for (uint32_t part = 0; part < m->chunks; part++) {
		const struct place *place = message_chunk(m, part);

		if (place->segment == number && place_offset(*place) >= synced)
			return true;
	}
	return false;
}

/* A message with content in the unsynced part can only be given up, also where its commit is in the
 * batch that fails just now: nobody may read on in what is cut off. */
static void forget_unsynced(struct spool *s)
{
	struct message *m;
	size_t at = 0;

	while ((m = index_next(&s->index, &at)) != NULL) {
		if ((m->state == MESSAGE_OPEN || m->state == MESSAGE_COMMITTING) &&
		    lost_content(m, s->head.number, s->head.synced)) {
			segments_release(&s->segments, m);
			m->state = MESSAGE_LOST;
		}
	}
}

/* The kernel may have dropped any of the unsynced pages, and says nothing of it the next time, but goes on
 * showing them. They are cut off, so that a start without a power cut does not take them for stored. */
static void end_segment(struct spool *s)
{
	pthread_mutex_lock(&s->index_lock);
	forget_unsynced(s);
	pthread_mutex_unlock(&s->index_lock);
	s->disk->truncate(s->disk->user, s->head.fd, s->head.synced);
	head_close(s);
	for (size_t i = 0; i < s->unsynced.count; i++)
		id_list_add(&s->owed, s->unsynced.at[i]);
	s->unsynced.count = 0;
	open_segment(s);
}

/* It holds nothing but content that was given up, and goes as soon as it is followed by another: what is
 * only handed on costs no sync. Not where an older segment stays, for this one would stay with it. */
static bool is_worthless(const struct spool *s)
{
	const struct segment *oldest = &s->segments.at[0];

	return oldest->number == s->head.number && oldest->live_records == 0 &&
	       s->unsynced.count == 0 && !s->is_frozen;
}

/* A segment that cannot be followed by a new one is used on. */
static int rotate(struct spool *s, struct fault *fault)
{
	struct head old;

	if (s->now_ms < s->head.retry_at_ms)
		return 0;
	if (!is_worthless(s) && head_sync(s, fault) < 0)
		return s->head.fd < 0 ? fault->code : 0;
	old = s->head;
	if (open_segment(s) < 0) {
		int64_t retry_at_ms = s->head.retry_at_ms;

		s->head = old;
		s->head.retry_at_ms = retry_at_ms;
		spool_note_refusal(s);
		return 0;
	}
	s->disk->close(s->disk->user, old.fd);
	return 0;
}

void head_renew(struct spool *s)
{
	struct fault fault;

	rotate(s, &fault);
}

int head_ready(struct spool *s, struct fault *fault)
{
	if (s->head.fd >= 0)
		return s->head.end < s->conf.segment_octets ? 0 : rotate(s, fault);
	if (s->now_ms >= s->head.retry_at_ms && open_segment(s) == 0)
		return 0;
	*fault = s->head.fault;
	return fault->code;
}

/* Whoever limits the length of files: segments end before it from now on. */
static void note_limit(struct spool *s, int status)
{
	if (status == -EFBIG && s->head.fd >= 0 && s->head.end > SEGMENT_LEAST &&
	    s->head.end < s->conf.segment_octets)
		s->conf.segment_octets = s->head.end;
}

int head_write(struct spool *s, struct iovec *pieces, size_t count, uint64_t octets,
	       struct fault *fault)
{
	int status = write_all(s, pieces, count, octets, s->head.end);

	if (status < 0) {
		head_fault(s, status, "writing", fault);
		if ((!is_no_room(status) && status != -EFBIG) ||
		    s->disk->truncate(s->disk->user, s->head.fd, s->head.end) < 0)
			end_segment(s);
		note_limit(s, status);
		return status;
	}
	s->head.end += octets;
	counter_add(&s->counters->spool_octets, octets);
	pthread_mutex_lock(&s->index_lock);
	segments_grew(&s->segments, segments_find(&s->segments, s->head.number), octets);
	pthread_mutex_unlock(&s->index_lock);
	return 0;
}

int head_sync(struct spool *s, struct fault *fault)
{
	int status;

	if (s->head.fd < 0 || s->head.end == s->head.synced)
		return 0;
	counter_add(&s->counters->spool_syncs, 1);
	status = s->disk->sync(s->disk->user, s->head.fd);
	if (status < 0) {
		head_fault(s, status, "syncing", fault);
		end_segment(s);
		return status;
	}
	s->head.synced = s->head.end;
	s->unsynced.count = 0;
	return 0;
}
