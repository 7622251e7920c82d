#include "recover.h"

#include "base/id.h"
#include "base/mem.h"
#include "spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct names {
	uint64_t *at;
	size_t count, cap;
};

struct recovery {
	struct spool *s;
	struct scan scan;
	uint32_t number;
	uint64_t good_end;    /* of the last whole record */
	struct message *last; /* whose record was taken last: most have two side by side */
	bool is_newest;	      /* only there can a power cut have torn what was answered for never */
};

static void __attribute__((format(printf, 2, 3))) report(struct spool *s, const char *fmt, ...)
{
	struct fault fault = { .code = -EBADMSG };
	va_list ap;

	if (s->conf.damaged == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(fault.text, sizeof(fault.text), fmt, ap);
	va_end(ap);
	s->conf.damaged(s->conf.user, &fault);
}

static void add_name(void *arg, const char *name)
{
	struct names *names = arg;
	uint64_t number;

	if (!segment_name_parse(name, &number))
		return;
	if (names->count == names->cap) {
		names->cap = names->cap ? names->cap * 2 : 64;
		names->at = mem_resize(names->at, names->cap * sizeof(uint64_t));
	}
	names->at[names->count++] = number;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void raise_last_id(struct spool *s, uint64_t id)
{
	if (id > atomic_load(&s->last_id))
		atomic_store(&s->last_id, id);
}

/* A forged or damaged number would otherwise size an array. */
static bool is_plausible(const struct record *record)
{
	return record->type != RECORD_CONTENT || record->part < RECORD_CHUNKS_MAX;
}

static struct message *find(struct recovery *r, uint64_t id)
{
	if (r->last == NULL || r->last->id != id)
		r->last = index_find(&r->s->index, id);
	return r->last;
}

static struct message *find_or_add(struct recovery *r, uint64_t id)
{
	if (find(r, id) == NULL)
		r->last = index_add(&r->s->index, id);
	return r->last;
}

/* A copy that reclaiming made is the same octets again: the later one counts. */
static void take_chunk(struct recovery *r, const struct record *record, struct place place)
{
	struct message *m = find_or_add(r, record->id);
	struct place *chunk;

	if (m->state == MESSAGE_LIVE && record->part >= m->chunks)
		return;
	chunk = message_make_chunk(m, record->part);
	if (chunk->segment == 0)
		m->content_sum += record_part_sum(record);
	segments_move(&r->s->segments, chunk, place);
}

/* Mostly all its content stands before it, and it need not be read again to be believed. */
static void take_envelope(struct recovery *r, const struct record *record, struct place place)
{
	struct message *m = find_or_add(r, record->id);

	segments_move(&r->s->segments, &m->envelope, place);
	if (m->state != MESSAGE_LIVE && recover_disbelieve(m, record) == NULL)
		recover_believe(m, record);
}

static void settle(struct recovery *r, uint64_t id)
{
	struct message *m = find(r, id);

	if (m == NULL)
		return;
	segments_release(&r->s->segments, m);
	index_remove(&r->s->index, &m);
	r->last = NULL;
}

static void take_record(struct recovery *r, const struct scan_item *item)
{
	struct spool *s = r->s;
	const struct record *record = &item->record;
	struct place place = { r->number, (uint32_t)(item->offset / RECORD_ALIGN), record->length };

	raise_last_id(s, record->id);
	if (record->sequence >= s->sequence)
		s->sequence = record->sequence + 1;
	switch (record->type) {
	case RECORD_CONTENT:
		take_chunk(r, record, place);
		break;
	case RECORD_ENVELOPE:
		take_envelope(r, record, place);
		break;
	case RECORD_NOTE:
		segments_move(&s->segments, &find_or_add(r, record->id)->note, place);
		break;
	case RECORD_SETTLE:
		settle(r, record->id);
		break;
	}
}

static void report_damage(struct recovery *r, const struct scan_item *item, const char *what)
{
	char name[SEGMENT_NAME_MAX], qid[ID_TEXT_MAX];

	segment_name(r->number, name);
	id_format(item->record.id, qid);
	if (item->record.type)
		report(r->s,
		       "%s/%s: %" PRIu64 " octets at %" PRIu64 " are %s: the %s of message %s",
		       r->s->dir, name, item->octets, item->offset, what,
		       record_type_name(item->record.type), qid);
	else
		report(r->s, "%s/%s: %" PRIu64 " octets at %" PRIu64 " are %s", r->s->dir, name,
		       item->octets, item->offset, what);
}

static void scan_records(struct recovery *r)
{
	struct scan_item item;

	r->good_end = SEGMENT_RECORDS_AT;
	while (scan_next(&r->scan, &item) != SCAN_END) {
		if (!is_plausible(&item.record))
			item.kind = SCAN_DAMAGE;
		if (!r->is_newest)
			item.is_tail = false;
		if (r->s->watch)
			r->s->watch->item(r->s->watch->user, r->number, &item);
		if (item.kind == SCAN_DAMAGE) {
			r->s->has_gaps |= !item.is_tail;
			report_damage(r, &item, item.is_tail ? "cut off" : "damaged");
			continue;
		}
		if (item.has_bad_padding)
			report_damage(r, &item, "whole, but badly filled up");
		r->s->has_gaps |= item.offset > r->good_end;
		r->good_end = item.offset + item.octets;
		take_record(r, &item);
	}
}

/* What stands behind the last whole record was never answered for, or cannot be read again. Not
 * where the disk refused to read: it may come to its senses. Nor in a segment that others follow: it was
 * synced before they came, so this is damage, for spool repair to set aside. */
static void cut_tail(struct recovery *r)
{
	struct spool *s = r->s;
	struct segment *segment = &s->segments.at[s->segments.count - 1];

	if (s->conf.is_read_only || !r->is_newest || r->good_end >= r->scan.size ||
	    r->scan.unreadable || (s->watch && s->watch->keeps_tails))
		return;
	if (s->disk->truncate(s->disk->user, r->scan.fd, r->good_end) == 0) {
		s->segments.octets -= segment->octets - r->good_end;
		segment->octets = r->good_end;
	}
}

static void check_header(struct recovery *r)
{
	struct scan *scan = &r->scan;
	char name[SEGMENT_NAME_MAX];

	segment_name(r->number, name);
	if (!scan->has_header[0] || !scan->has_header[1] || !scan->is_clean_header)
		report(r->s, "%s/%s: the header is damaged; no message is touched", r->s->dir,
		       name);
	if (scan->unreadable)
		report(r->s,
		       "%s/%s: %u blocks cannot be read; it is kept, and all that follows it, "
		       "until a "
		       "start at which they can, or until it is taken away",
		       r->s->dir, name, scan->unreadable);
}

/* Segments go oldest first: one that is gone while an older one is there was taken away by somebody. */
static void check_previous(struct recovery *r)
{
	struct spool *s = r->s;
	uint32_t previous = r->scan.header.previous;
	struct fault why;
	char name[SEGMENT_NAME_MAX];

	if (previous == 0 || s->segments.count == 0 || s->segments.at[0].number > previous ||
	    segments_find(&s->segments, previous))
		return;
	segment_name(previous, name);
	fault_set(&why, -ENODATA, "%s/%s: it is missing", s->dir, name);
	report(s, "%s, and whatever stood in it", why.text);
	if (s->watch)
		s->watch->segment(s->watch->user, previous, NULL, &why);
}

static void scan_segment(struct recovery *r)
{
	struct spool *s = r->s;

	check_previous(r);
	segments_grew(&s->segments, segments_add(&s->segments, r->number, r->scan.seal),
		      r->scan.size);
	scan_records(r);
	check_header(r);
	if (s->watch)
		s->watch->segment(s->watch->user, r->number, &r->scan, NULL);
	cut_tail(r);
}

/* One that was being made when the power went, or could not be made: nothing was ever written to it. */
static bool is_unfinished(const struct scan *scan, int status)
{
	bool is_whole = scan->has_header[0] && scan->has_header[1] && scan->is_clean_header;

	return (status == -EBADMSG || status == -ESTALE || (status == 0 && !is_whole)) &&
	       scan->unreadable == 0 && scan->size <= SEGMENT_RECORDS_AT;
}

/* A file that was copied under another name says so in its header. */
static void take_header(struct spool *s, const struct scan *scan, uint64_t number)
{
	if (scan->header.number != number)
		return;
	if (scan->header.oldest > s->oldest)
		s->oldest = scan->header.oldest;
	raise_last_id(s, scan->header.greatest_id);
	if (scan->header.sequence > s->sequence)
		s->sequence = scan->header.sequence;
	s->seal = scan->header.seal;
}

/* Every header before any record: a segment whose own is damaged is read with the seal of the
 * others. */
static int read_headers(struct spool *s, const struct names *names, struct fault *fault)
{
	for (size_t i = 0; i < names->count; i++) {
		struct scan scan;
		int status = scan_open(&scan, s->disk, s->dir, names->at[i], fault);

		if (status == 0)
			take_header(s, &scan, names->at[i]);
		if (scan.size > SEGMENT_RECORDS_AT)
			s->newest = names->at[i];
		scan_close(&scan);
		if (status == -ENOTSUP || status == -EMFILE || status == -ENFILE ||
		    status == -EACCES)
			return status;
	}
	return 0;
}

/* There may be more in it than is known now, as there is not in what has no place here. */
static bool is_unknown(int status)
{
	return status < 0 && status != -EEXIST && status != -ESTALE && status != -ERANGE;
}

/* Not read, not written, not removed; what is in it is not delivered. */
static void leave_alone(struct spool *s, uint64_t number, const struct scan *scan,
			const struct fault *why)
{
	s->has_left_alone |= is_unknown(why->code);
	report(s, "%s; it is left as it is, and what is in it is not delivered", why->text);
	if (s->watch)
		s->watch->segment(s->watch->user, number, scan, why);
}

/* What was settled since would come back with it. */
static int check_origin(const struct spool *s, uint64_t number, const struct scan *scan,
			struct fault *fault)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(number, name);
	if (scan->header.number != number)
		return fault_set(fault, -EEXIST, "%s/%s: it is a copy of segment %" PRIx64, s->dir,
				 name, scan->header.number);
	if (number < s->oldest)
		return fault_set(fault, -ESTALE,
				 "%s/%s: it was given back long ago, and has been put there again",
				 s->dir, name);
	return 0;
}

static void recover_segment(struct spool *s, uint64_t number)
{
	struct recovery r = { .s = s,
			      .number = (uint32_t)number,
			      .is_newest = number >= s->newest };
	struct fault fault;
	char name[SEGMENT_NAME_MAX];
	int status = scan_open(&r.scan, s->disk, s->dir, number, &fault);

	segment_name(number, name);
	/* A daemon gives segments back while it is being looked at. */
	if (status == -ENOENT && s->conf.is_read_only)
		return;
	if (status == 0)
		status = check_origin(s, number, &r.scan, &fault);
	if (is_unfinished(&r.scan, status)) {
		if (!s->conf.is_read_only)
			s->disk->unlink(s->disk->user, s->dir, name);
	} else if (status == 0 || (status == -EBADMSG && s->seal)) {
		if (status < 0)
			r.scan.seal = s->seal;
		scan_segment(&r);
	} else {
		leave_alone(s, number, &r.scan, &fault);
	}
	/* A record not seen now may be a settle record, and what it settles must not be rewritten. */
	s->is_frozen |= r.scan.unreadable || (status != -EBADMSG && is_unknown(status));
	scan_close(&r.scan);
}

/* A process that was killed may have left octets and names that the kernel has and the disk has not. */
static void sync_newest(struct spool *s)
{
	char name[SEGMENT_NAME_MAX];
	int fd, status;

	if (s->conf.is_read_only)
		return;
	status = s->disk->sync_dir(s->disk->user, s->dir);
	if (status < 0)
		report(s, "syncing %s: %s", s->dir, strerror(-status));
	if (s->segments.count == 0)
		return;
	segment_name(s->segments.at[s->segments.count - 1].number, name);
	fd = s->disk->open(s->disk->user, s->dir, name, 0);
	status = fd < 0 ? fd : s->disk->sync(s->disk->user, fd);
	if (status < 0)
		report(s, "syncing %s/%s: %s", s->dir, name, strerror(-status));
	if (fd >= 0)
		s->disk->close(s->disk->user, fd);
}

int recover_all(struct spool *s, struct fault *fault)
{
	struct names names = { 0 };
	int status = s->disk->list(s->disk->user, s->dir, add_name, &names);

	if (status < 0) {
		fault_set(fault, status, "listing %s: %s", s->dir, strerror(-status));
	} else {
		if (names.count)
			qsort(names.at, names.count, sizeof(uint64_t), compare_numbers);
		status = read_headers(s, &names, fault);
	}
	for (size_t i = 0; status == 0 && i < names.count; i++) {
		if (names.at[i] == 0 || names.at[i] >= UINT32_MAX) {
			struct fault why;

			fault_set(&why, -ERANGE,
				  "%s: there is a segment with the number %" PRIu64
				  ", which is none of ours",
				  s->dir, names.at[i]);
			leave_alone(s, names.at[i], NULL, &why);
			continue;
		}
		recover_segment(s, names.at[i]);
		s->next_number = (uint32_t)names.at[i] + 1;
	}
	free(names.at);
	if (status == 0)
		sync_newest(s);
	return status;
}
