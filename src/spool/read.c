#include "read.h"

#include "base/id.h"

#include <errno.h>

enum { TRIES = 8 };

static struct place place_in(struct message *m, const struct wanted *w)
{
	if (w->type == RECORD_ENVELOPE)
		return m->envelope;
	if (w->type == RECORD_NOTE)
		return m->note;
	return w->part < m->chunks ? *message_chunk(m, w->part) : (struct place){ 0 };
}

/* Content may be read before the commit. Of a message whose content was lost there is none, not even an
 * end: what is missing must not pass for the end. */
static int may_look(const struct message *m, const struct wanted *w)
{
	if (m && m->state == MESSAGE_LIVE)
		return 0;
	if (m == NULL || w->type != RECORD_CONTENT)
		return -ENOENT;
	return m->state == MESSAGE_LOST ? -EIO : 0;
}

static int look_up(struct spool *s, struct wanted *w)
{
	struct segment *segment = NULL;
	struct message *m;
	int status;

	w->place = (struct place){ 0 };
	pthread_mutex_lock(&s->index_lock);
	m = index_find(&s->index, w->id);
	status = may_look(m, w);
	if (status == 0) {
		w->place = place_in(m, w);
		segment = segments_find(&s->segments, w->place.segment);
		status = segment ? 0 : -ENODATA;
	}
	if (segment)
		w->seal = segment->seal;
	pthread_mutex_unlock(&s->index_lock);
	return status;
}

static ssize_t read_all(struct spool *s, int fd, unsigned char *at, size_t n, uint64_t offset)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = s->disk->pread(s->disk->user, fd, at + got, n - got, offset + got);

		if (r == 0)
			break;
		if (r < 0 && r != -EINTR)
			return r;
		got += r > 0 ? (size_t)r : 0;
	}
	return (ssize_t)got;
}

static int check(const struct wanted *w, const unsigned char *octets, size_t n)
{
	struct record record;

	if (n < RECORD_HEADER_OCTETS + w->place.length ||
	    record_decode(octets, w->seal, &record) < 0 || record.id != w->id ||
	    record.type != w->type || record.length != w->place.length ||
	    (w->type == RECORD_CONTENT && record.part != w->part))
		return -EBADMSG;
	if (record_payload_sum(span_of(octets + RECORD_HEADER_OCTETS, record.length), w->seal) !=
	    record.payload_sum)
		return -EBADMSG;
	return 0;
}

/* Opened for each read: a segment that is unlinked meanwhile stays readable until the close. */
int read_place(struct spool *s, const struct wanted *w, struct buf *out)
{
	size_t n = RECORD_HEADER_OCTETS + w->place.length;
	struct buf octets = { 0 };
	char name[SEGMENT_NAME_MAX];
	ssize_t got;
	int fd, status;

	segment_name(w->place.segment, name);
	fd = s->disk->open(s->disk->user, s->dir, name, 0);
	if (fd < 0)
		return fd;
	got = read_all(s, fd, buf_room(&octets, n), n, place_offset(w->place));
	s->disk->close(s->disk->user, fd);
	status = got < 0 ? (int)got : check(w, octets.at, (size_t)got);
	if (status == 0)
		buf_put(out, octets.at + RECORD_HEADER_OCTETS, w->place.length);
	buf_fini(&octets);
	return status;
}

static int read_fault(struct spool *s, const struct wanted *w, int status, struct fault *fault)
{
	char qid[ID_TEXT_MAX], name[SEGMENT_NAME_MAX];

	id_format(w->id, qid);
	segment_name(w->place.segment, name);
	if (status == -ENOENT && w->place.segment == 0)
		return fault_set(fault, status, "message %s is not in the spool", qid);
	if (status == -EIO && w->place.segment == 0)
		return fault_set(fault, status,
				 "message %s: content of it was lost by an earlier disk error",
				 qid);
	if (status == -ENODATA)
		return fault_set(fault, status, "message %s has no such %s", qid,
				 record_type_name(w->type));
	return fault_set(fault, status == -EBADMSG ? status : -EIO,
			 "reading the %s of message %s in %s/%s: %s", record_type_name(w->type),
			 qid, s->dir, name,
			 status == -EBADMSG ? "it is damaged" : strerror(-status));
}

/* A segment that is gone, or cut off, since the look at the index was rewritten or has failed: look
 * again. */
static int read_record(struct spool *s, struct wanted *w, struct buf *out, struct fault *fault)
{
	struct place before = { 0 };
	int status, failed = 0;

	for (int i = 0; i < TRIES; i++) {
		status = look_up(s, w);
		if (status < 0)
			return read_fault(s, w, status, fault);
		if (failed == -EBADMSG && place_eq(before, w->place))
			break;
		before = w->place;
		failed = read_place(s, w, out);
		if (failed != -ENOENT && failed != -EBADMSG)
			break;
	}
	return failed < 0 ? read_fault(s, w, failed, fault) : 0;
}

int spool_read(struct spool *spool, uint64_t id, unsigned index, struct buf *out,
	       struct fault *fault)
{
	struct wanted w = { .id = id, .type = RECORD_CONTENT, .part = index };

	return read_record(spool, &w, out, fault);
}

int spool_read_records(struct spool *spool, uint64_t id, struct buf *envelope, struct buf *note,
		       struct fault *fault)
{
	struct wanted w = { .id = id, .type = RECORD_ENVELOPE };
	struct wanted n = { .id = id, .type = RECORD_NOTE };
	int status = 0;

	if (envelope)
		status = read_record(spool, &w, envelope, fault);
	if (status == 0 && note) {
		struct fault unasked;

		status = read_record(spool, &n, note, &unasked);
		if (status == -ENODATA)
			status = 0;
		else if (status < 0 && fault)
			*fault = unasked;
	}
	return status;
}
