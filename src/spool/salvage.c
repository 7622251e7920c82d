#include "salvage.h"

#include "base/id.h"
#include "base/mem.h"
#include "read.h"
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NAME_MAX_OCTETS = 32 };

struct file {
	struct salvage *salvage;
	int fd;
	uint64_t at;
};

void salvage_init(struct salvage *v, const struct spool_check *check, const struct spool_disk *disk,
		  struct spool_check_totals *totals)
{
	time_t now = check->wall_ms ? (time_t)(check->wall_ms() / 1000) : time(NULL);
	struct buf dir = { 0 };
	char text[64];
	struct tm tm;

	*v = (struct salvage){ .check = check, .disk = disk, .totals = totals };
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), SPOOL_ASIDE_PREFIX "%Y%m%dT%H%M%SZ", &tm);
	buf_printf(&dir, "%s/%s", check->dir, text);
	v->dir = buf_take_text(&dir);
}

void salvage_fini(struct salvage *v)
{
	free(v->dir);
	v->dir = NULL;
}

int salvage_begin(struct salvage *v)
{
	int status = v->is_made ? 0 : v->disk->make_dir(v->disk->user, v->dir, 0700);

	if (status < 0)
		return fault_set(&v->fault, status, "making the directory %s: %s", v->dir,
				 strerror(-status));
	v->is_made = true;
	snprintf(v->totals->set_aside, sizeof(v->totals->set_aside), "%s", v->dir);
	return 0;
}

static int write_span(struct file *f, struct span s)
{
	const struct spool_disk *disk = f->salvage->disk;

	while (s.len) {
		struct iovec piece = { (void *)(uintptr_t)s.at, s.len };
		ssize_t n = disk->pwritev(disk->user, f->fd, &piece, 1, f->at);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		f->at += (uint64_t)n;
		s = span_from(s, (size_t)n);
	}
	return 0;
}

/* One that a repair before this began is begun again. */
static int open_file(struct file *f, const char *name)
{
	const struct spool_disk *disk = f->salvage->disk;

	f->fd = disk->open(disk->user, f->salvage->dir, name, 1);
	if (f->fd == -EEXIST) {
		f->fd = disk->open(disk->user, f->salvage->dir, name, 0);
		return f->fd < 0 ? f->fd : disk->truncate(disk->user, f->fd, 0);
	}
	return f->fd < 0 ? f->fd : 0;
}

static int close_file(struct file *f, int status)
{
	const struct spool_disk *disk = f->salvage->disk;

	if (f->fd >= 0 && status == 0)
		status = disk->sync(disk->user, f->fd);
	if (f->fd >= 0)
		disk->close(disk->user, f->fd);
	return status;
}

static void put_places(struct buf *out, struct message *m, uint64_t chunks)
{
	for (uint32_t part = 0; part < chunks; part++) {
		const struct place *place = part < m->chunks ? message_chunk(m, part) : NULL;
		char name[SEGMENT_NAME_MAX];

		if (place == NULL || place->segment == 0) {
			buf_printf(out, "chunk %" PRIu32 ": missing\n", part);
			continue;
		}
		segment_name(place->segment, name);
		buf_printf(out, "chunk %" PRIu32 ": %" PRIu32 " octets, in %s at %" PRIu64 "\n",
			   part, place->length, name, place_offset(*place));
	}
}

static void put_text(struct salvage *v, struct message *m,
		     const struct spool_check_message *message, struct buf *out)
{
	char qid[ID_TEXT_MAX];

	id_format(m->id, qid);
	buf_printf(out, "message %s %s\n\n", qid, message->what);
	if (message->envelope.len == 0)
		buf_put_text(out, "Its envelope cannot be read.\n");
	else if (v->check->describe)
		v->check->describe(v->check->user, message->envelope, out);
	buf_printf(out,
		   "\nOf %" PRIu64 " chunks of content, %" PRIu64 " with %" PRIu64
		   " octets are whole",
		   message->chunks, message->chunks_whole, message->octets_whole);
	if (message->chunks_whole)
		buf_printf(out, "; they stand in %s.content", qid);
	buf_put_text(out, ".\n");
	put_places(out, m, message->chunks);
}

static int write_text(struct salvage *v, struct message *m,
		      const struct spool_check_message *message, const char *name)
{
	struct file f = { .salvage = v };
	struct buf text = { 0 };
	int status = open_file(&f, name);

	put_text(v, m, message, &text);
	if (status == 0)
		status = write_span(&f, buf_span(&text));
	buf_fini(&text);
	return close_file(&f, status);
}

/* A chunk that could be read by the scan, and cannot be now, is left out. */
static int write_chunk(struct file *f, struct spool *s, struct message *m, uint32_t part)
{
	struct wanted w = {
		.id = m->id, .type = RECORD_CONTENT, .part = part, .place = *message_chunk(m, part)
	};
	struct buf octets = { 0 };
	int status = 0;

	if (w.place.segment == 0)
		return 0;
	w.seal = segments_find(&s->segments, w.place.segment)->seal;
	if (read_place(s, &w, &octets) == 0)
		status = write_span(f, buf_span(&octets));
	buf_fini(&octets);
	return status;
}

static int write_content(struct salvage *v, struct spool *s, struct message *m, const char *name)
{
	struct file f = { .salvage = v };
	int status = open_file(&f, name);

	for (uint32_t part = 0; status == 0 && part < m->chunks; part++)
		status = write_chunk(&f, s, m, part);
	return close_file(&f, status);
}

void salvage_message(struct salvage *v, struct spool *s, struct message *m,
		     const struct spool_check_message *message)
{
	char qid[ID_TEXT_MAX], name[NAME_MAX_OCTETS];
	int status;

	if (v->fault.code || salvage_begin(v) < 0)
		return;
	id_format(m->id, qid);
	snprintf(name, sizeof(name), "%s.txt", qid);
	status = write_text(v, m, message, name);
	if (status == 0 && message->chunks_whole) {
		snprintf(name, sizeof(name), "%s.content", qid);
		status = write_content(v, s, m, name);
	}
	if (status < 0)
		fault_set(&v->fault, status, "writing %s/%s: %s", v->dir, name, strerror(-status));
}

int salvage_end(struct salvage *v, struct fault *fault)
{
	int status = 0;

	if (v->is_made && v->fault.code == 0)
		status = v->disk->sync_dir(v->disk->user, v->dir);
	if (status < 0)
		fault_set(&v->fault, status, "syncing %s: %s", v->dir, strerror(-status));
	if (v->fault.code)
		*fault = v->fault;
	return v->fault.code;
}
