#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_wake = PTHREAD_COND_INITIALIZER;

static void note_done(void *home, struct work *work)
{
	struct rig_pending *p = work_entry(work, struct rig_pending, write.done);

	(void)home;
	pthread_mutex_lock(&done_lock);
	p->is_done = true;
	pthread_cond_broadcast(&done_wake);
	pthread_mutex_unlock(&done_lock);
}

static void note_found(void *user, const struct spool_found *m)
{
	struct rig *rig = user;

	buf_printf(&rig->found, "%u %.*s %.*s %u/%u\n", (unsigned)m->id, (int)m->envelope.len,
		   (const char *)m->envelope.at, (int)m->note.len,
		   m->note.len ? (const char *)m->note.at : "", m->chunks,
		   (unsigned)m->content_octets);
	rig->found_count++;
	rig->last_found = m->id;
}

static void note_damage(void *user, const struct fault *what)
{
	struct rig *rig = user;

	buf_printf(&rig->damaged, "%s\n", what->text);
	rig->damaged_count++;
}

void rig_init(struct rig *rig)
{
	*rig = (struct rig){ .dir = "/tmp/postern-spool-XXXXXX" };
	assert_non_null(mkdtemp(rig->dir));
	rig->conf = (struct spool_conf){
		.dir = rig->dir,
		.lazy_ms = 5,
		.post = note_done,
		.counters = &rig->counters,
		.found = note_found,
		.damaged = note_damage,
		.user = rig,
	};
}

void rig_open(struct rig *rig)
{
	struct fault fault = { 0 };

	buf_clear(&rig->found);
	buf_clear(&rig->damaged);
	rig->found_count = rig->damaged_count = 0;
	rig->spool = spool_open(&rig->conf, &fault);
	if (rig->spool == NULL)
		fail_msg("%s", fault.text);
}

void rig_close(struct rig *rig)
{
	spool_close(&rig->spool);
}

void rig_fini(struct rig *rig)
{
	DIR *d;
	struct dirent *entry;

	rig_close(rig);
	d = opendir(rig->dir);
	while (d && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	rmdir(rig->dir);
	buf_fini(&rig->found);
	buf_fini(&rig->damaged);
}

void rig_put(struct rig *rig, struct rig_pending *p)
{
	p->is_done = false;
	spool_put(rig->spool, &p->write);
}

int rig_wait(struct rig_pending *p)
{
	pthread_mutex_lock(&done_lock);
	while (!p->is_done)
		pthread_cond_wait(&done_wake, &done_lock);
	pthread_mutex_unlock(&done_lock);
	return p->write.status;
}

int rig_write(struct rig *rig, enum spool_write_kind kind, uint64_t id, struct span content,
	      struct span record)
{
	struct rig_pending p = {
		.write = { .kind = kind, .id = id, .content = content, .record = record },
	};

	rig_put(rig, &p);
	return rig_wait(&p);
}

int rig_commit(struct rig *rig, uint64_t id, const char *content, const char *envelope)
{
	return rig_write(rig, SPOOL_COMMIT, id, span_text(content), span_text(envelope));
}

int rig_settle(struct rig *rig, uint64_t id)
{
	return rig_write(rig, SPOOL_SETTLE, id, (struct span){ 0 }, (struct span){ 0 });
}

int rig_read(struct rig *rig, uint64_t id, struct buf *out)
{
	for (unsigned i = 0;; i++) {
		int status = spool_read(rig->spool, id, i, out, NULL);

		if (status < 0)
			return status == -ENODATA ? 0 : status;
	}
}

static int is_segment(const struct dirent *entry)
{
	return strncmp(entry->d_name, "seg-", 4) == 0;
}

unsigned rig_count_segments(const struct rig *rig)
{
	struct dirent **names;
	int count = scandir(rig->dir, &names, is_segment, alphasort);

	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return (unsigned)count;
}

void rig_await_segments(struct rig *rig, unsigned count)
{
	for (int i = 0; i < 1000 && rig_count_segments(rig) != count; i++)
		rig_write(rig, SPOOL_DROP, 1, (struct span){ 0 }, (struct span){ 0 });
	assert_int_equal(rig_count_segments(rig), count);
}

void rig_segment_path(const struct rig *rig, unsigned index, char out[256])
{
	struct dirent **names;
	int count = scandir(rig->dir, &names, is_segment, alphasort);

	assert_true((int)index < count);
	snprintf(out, 256, "%s/%.100s", rig->dir, names[index]->d_name);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

void rig_slurp(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	buf_clear(out);
	assert_int_equal(read(fd, buf_room(out, (size_t)st.st_size), (size_t)st.st_size),
			 st.st_size);
	buf_grew(out, (size_t)st.st_size);
	close(fd);
}

void rig_spill(const char *path, struct span octets)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets.at, octets.len), octets.len);
	close(fd);
}
