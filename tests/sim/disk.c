#include "disk.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECTOR = 512, FD_BASE = 1000, LOCK_FD = 999 };

struct change {
	bool is_truncate;
	uint64_t offset;
	struct buf octets;
};

struct sim_file {
	char dir[64], name[32];
	bool is_there, is_stably_there;
	struct buf seen, stable;
	struct change *changes; /* not yet stable */
	size_t change_count;
};

struct sim_handle {
	size_t file; /* SIZE_MAX: closed */
	bool has_failed;
};

uint64_t sim_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

void sim_disk_init(struct sim_disk *disk, uint64_t seed)
{
	*disk = (struct sim_disk){ .random = seed };
}

static void forget_changes(struct sim_file *f)
{
	for (size_t i = 0; i < f->change_count; i++)
		buf_fini(&f->changes[i].octets);
	free(f->changes);
	f->changes = NULL;
	f->change_count = 0;
}

void sim_disk_fini(struct sim_disk *disk)
{
	for (size_t i = 0; i < disk->file_count; i++) {
		forget_changes(&disk->files[i]);
		buf_fini(&disk->files[i].seen);
		buf_fini(&disk->files[i].stable);
	}
	free(disk->files);
	free(disk->handles);
	*disk = (struct sim_disk){ 0 };
}

static void put_at(struct buf *b, uint64_t offset, const unsigned char *at, size_t n)
{
	if (b->len < offset + n) {
		size_t more = (size_t)(offset + n) - b->len;

		memset(buf_room(b, more), 0, more);
		buf_grew(b, more);
	}
	if (n)
		memcpy(b->at + b->from + offset, at, n);
}

static void cut_to(struct buf *b, uint64_t size)
{
	if (b->len > size)
		b->len = (size_t)size;
	else
		put_at(b, size, NULL, 0);
}

static void apply_all(struct buf *b, const struct change *c)
{
	if (c->is_truncate)
		cut_to(b, c->offset);
	else
		put_at(b, c->offset, c->octets.at, c->octets.len);
}

static void apply_some(struct sim_disk *disk, struct buf *b, const struct change *c)
{
	uint64_t at = c->offset, end = c->offset + c->octets.len;

	if (c->is_truncate && sim_random(&disk->random) % 2)
		cut_to(b, c->offset);
	while (!c->is_truncate && at < end) {
		uint64_t next = (at / SECTOR + 1) * SECTOR;

		next = next < end ? next : end;
		if (sim_random(&disk->random) % 2)
			put_at(b, at, c->octets.at + (at - c->offset), (size_t)(next - at));
		at = next;
	}
}

static void settle_file(struct sim_disk *disk, struct sim_file *f, enum sim_end end)
{
	for (size_t i = 0; i < f->change_count; i++) {
		if (end == SIM_CUT_ALL)
			apply_all(&f->stable, &f->changes[i]);
		else if (end == SIM_CUT_SOME)
			apply_some(disk, &f->stable, &f->changes[i]);
	}
	forget_changes(f);
}

static void restart_file(struct sim_disk *disk, struct sim_file *f, enum sim_end end)
{
	settle_file(disk, f, end);
	buf_clear(&f->seen);
	buf_put_span(&f->seen, buf_span(&f->stable));
	if (f->is_there != f->is_stably_there &&
	    (end == SIM_CUT_NONE || (end == SIM_CUT_SOME && sim_random(&disk->random) % 2)))
		f->is_there = f->is_stably_there;
	f->is_stably_there = f->is_there;
}

void sim_disk_restart(struct sim_disk *disk, enum sim_end end)
{
	for (size_t i = 0; end != SIM_KILL && i < disk->file_count; i++)
		restart_file(disk, &disk->files[i], end);
	disk->handle_count = 0;
	disk->is_locked = disk->is_dead = false;
	disk->cut_at = disk->fault_at = disk->calls = 0;
}

uint64_t sim_disk_used(const struct sim_disk *disk)
{
	uint64_t used = 0;

	for (size_t i = 0; i < disk->file_count; i++)
		if (disk->files[i].is_there)
			used += disk->files[i].seen.len;
	return used;
}

/* What this call is to answer instead of doing its work; 0: nothing instead. The call in which the power
 * goes still does its work, but nobody hears of it. */
static int before_call(struct sim_disk *disk, bool *last)
{
	*last = false;
	if (disk->is_dead)
		return -EIO;
	disk->calls++;
	if (disk->at_call)
		disk->at_call(disk);
	if (disk->calls == disk->cut_at)
		*last = disk->is_dead = true;
	if (disk->fault_at && disk->calls >= disk->fault_at &&
	    disk->calls < disk->fault_at + disk->fault_calls && disk->fault != SIM_SHORT)
		return disk->fault == SIM_ERROR ? -disk->error
		       : disk->fault == SIM_EIO ? -EIO
						: -ENOSPC;
	return 0;
}

/* A call that would change something. */
static int before_change(struct sim_disk *disk, bool *last)
{
	int status = before_call(disk, last);

	return status == 0 && disk->is_read_only ? -EROFS : status;
}

static bool is_short_call(const struct sim_disk *disk)
{
	return disk->fault == SIM_SHORT && disk->fault_at && disk->calls >= disk->fault_at &&
	       disk->calls < disk->fault_at + disk->fault_calls;
}

static struct sim_handle *handle_of(struct sim_disk *disk, int fd)
{
	size_t i = (size_t)(fd - FD_BASE);

	require(fd >= FD_BASE && i < disk->handle_count && disk->handles[i].file != SIZE_MAX);
	return &disk->handles[i];
}

static int sim_lock_dir(void *user, const char *dir)
{
	struct sim_disk *disk = user;
	bool last;
	int status = before_change(disk, &last);

	(void)dir;
	if (status < 0 || last)
		return status < 0 ? status : -EIO;
	if (disk->is_locked)
		return -EBUSY;
	disk->is_locked = true;
	return LOCK_FD;
}

static int sim_make_dir(void *user, const char *dir, mode_t mode)
{
	bool last;

	(void)dir;
	(void)mode;
	return before_call(user, &last);
}

static struct sim_file *find_file(struct sim_disk *disk, const char *dir, const char *name)
{
	for (size_t i = 0; i < disk->file_count; i++)
		if (disk->files[i].is_there && strcmp(disk->files[i].name, name) == 0 &&
		    strcmp(disk->files[i].dir, dir) == 0)
			return &disk->files[i];
	return NULL;
}

static struct sim_file *add_file(struct sim_disk *disk, const char *dir, const char *name)
{
	struct sim_file *f;

	disk->files = mem_resize(disk->files, (disk->file_count + 1) * sizeof(*disk->files));
	f = &disk->files[disk->file_count++];
	*f = (struct sim_file){ .is_there = true };
	snprintf(f->dir, sizeof(f->dir), "%s", dir);
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

static size_t open_count(const struct sim_disk *disk)
{
	size_t count = 0;

	for (size_t i = 0; i < disk->handle_count; i++)
		count += disk->handles[i].file != SIZE_MAX;
	return count;
}

static int sim_open(void *user, const char *dir, const char *name, int create)
{
	struct sim_disk *disk = user;
	struct sim_file *f;
	bool last;
	int status = before_call(disk, &last);

	if (status < 0)
		return status;
	if (disk->fd_limit && open_count(disk) >= disk->fd_limit)
		return -EMFILE;
	f = find_file(disk, dir, name);
	if (create && f)
		return -EEXIST;
	if (create && disk->is_read_only)
		return -EROFS;
	if (create)
		f = add_file(disk, dir, name);
	if (f == NULL || last)
		return last ? -EIO : -ENOENT;
	disk->handles =
		mem_resize(disk->handles, (disk->handle_count + 1) * sizeof(*disk->handles));
	disk->handles[disk->handle_count] =
		(struct sim_handle){ .file = (size_t)(f - disk->files) };
	return FD_BASE + (int)disk->handle_count++;
}

static void sim_close(void *user, int fd)
{
	struct sim_disk *disk = user;

	if (fd == LOCK_FD)
		disk->is_locked = false;
	else
		handle_of(disk, fd)->file = SIZE_MAX;
}

static struct change *add_change(struct sim_file *f)
{
	f->changes = mem_resize(f->changes, (f->change_count + 1) * sizeof(*f->changes));
	f->changes[f->change_count] = (struct change){ 0 };
	return &f->changes[f->change_count++];
}

static size_t room_for(struct sim_disk *disk, const struct sim_file *f, uint64_t offset, size_t n)
{
	uint64_t used = sim_disk_used(disk), more;

	more = offset + n > f->seen.len ? offset + n - f->seen.len : 0;
	if (disk->capacity == 0 || used + more <= disk->capacity)
		return n;
	more = used + more - disk->capacity;
	return more < n ? n - (size_t)more : 0;
}

static void write_octets(struct sim_file *f, uint64_t offset, const unsigned char *at, size_t n)
{
	struct change *c = add_change(f);

	c->offset = offset;
	buf_put(&c->octets, at, n);
	put_at(&f->seen, offset, at, n);
}

static ssize_t sim_pwritev(void *user, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	struct sim_disk *disk = user;
	struct sim_handle *h = disk->is_dead ? NULL : handle_of(disk, fd);
	struct buf all = { 0 };
	bool last;
	int status = before_change(disk, &last);
	size_t n;

	if (h == NULL)
		return status;
	disk->broken_rules += h->has_failed;
	for (int i = 0; i < count; i++)
		buf_put(&all, iov[i].iov_base, iov[i].iov_len);
	n = room_for(disk, &disk->files[h->file], offset, all.len);
	if (disk->file_limit && offset + n > disk->file_limit) {
		n = offset < disk->file_limit ? (size_t)(disk->file_limit - offset) : 0;
		status = n || status < 0 ? status : -EFBIG;
	}
	if (status == -EROFS)
		n = 0;
	else if (status < 0 || is_short_call(disk))
		n = n ? sim_random(&disk->random) % n : 0;
	if (n)
		write_octets(&disk->files[h->file], offset, all.at, n);
	if (status == 0 && n == 0 && all.len)
		status = -ENOSPC;
	buf_fini(&all);
	return last ? -EIO : status < 0 ? status : (ssize_t)n;
}

static ssize_t sim_pread(void *user, int fd, void *at, size_t n, uint64_t offset)
{
	struct sim_disk *disk = user;
	bool last;
	int status = before_call(disk, &last);
	struct span rest;

	if (status < 0 || last)
		return -EIO;
	rest = buf_span(&disk->files[handle_of(disk, fd)->file].seen);
	rest = span_first(span_from(rest, offset), is_short_call(disk) ? (n + 1) / 2 : n);
	if (rest.len)
		memcpy(at, rest.at, rest.len);
	return (ssize_t)rest.len;
}

static int sim_sync(void *user, int fd)
{
	struct sim_disk *disk = user;
	struct sim_handle *h = disk->is_dead ? NULL : handle_of(disk, fd);
	bool last;
	int status = before_call(disk, &last);

	if (h == NULL)
		return status;
	disk->broken_rules += h->has_failed;
	if (last || disk->is_lying)
		return last ? -EIO : 0;
	h->has_failed = status < 0;
	settle_file(disk, &disk->files[h->file], status < 0 ? SIM_CUT_SOME : SIM_CUT_ALL);
	return status;
}

static void sync_names(struct sim_disk *disk, const char *dir)
{
	for (size_t i = 0; i < disk->file_count; i++)
		if (strcmp(disk->files[i].dir, dir) == 0)
			disk->files[i].is_stably_there = disk->files[i].is_there;
}

static int sim_sync_dir(void *user, const char *dir)
{
	struct sim_disk *disk = user;
	bool last;
	int status = before_call(disk, &last);

	if (status < 0 || last)
		return status < 0 ? status : -EIO;
	sync_names(disk, dir);
	return 0;
}

static int sim_truncate(void *user, int fd, uint64_t size)
{
	struct sim_disk *disk = user;
	struct sim_handle *h = disk->is_dead ? NULL : handle_of(disk, fd);
	struct change *c;
	bool last;
	int status = before_change(disk, &last);

	if (status < 0)
		return status;
	c = add_change(&disk->files[h->file]);
	c->is_truncate = true;
	c->offset = size;
	cut_to(&disk->files[h->file].seen, size);
	return last ? -EIO : 0;
}

static int64_t sim_size(void *user, int fd)
{
	struct sim_disk *disk = user;
	bool last;
	int status = before_call(disk, &last);

	if (status < 0 || last)
		return -EIO;
	return (int64_t)disk->files[handle_of(disk, fd)->file].seen.len;
}

static int sim_unlink(void *user, const char *dir, const char *name)
{
	struct sim_disk *disk = user;
	struct sim_file *f;
	bool last;
	int status = before_change(disk, &last);

	if (status < 0)
		return status;
	f = find_file(disk, dir, name);
	if (f)
		f->is_there = false;
	return last ? -EIO : f ? 0 : -ENOENT;
}

/* The second name of the same octets. */
static void link_file(struct sim_disk *disk, const char *dir, const char *name, const char *to_dir)
{
	struct sim_file *f = add_file(disk, to_dir, name);
	const struct sim_file *file = find_file(disk, dir, name);

	buf_put_span(&f->seen, buf_span(&file->seen));
	buf_put_span(&f->stable, buf_span(&file->stable));
	for (size_t i = 0; i < file->change_count; i++) {
		struct change *c = add_change(f);

		c->is_truncate = file->changes[i].is_truncate;
		c->offset = file->changes[i].offset;
		buf_put_span(&c->octets, buf_span(&file->changes[i].octets));
	}
}

/* Three steps, and the power may go in each: two names, the second one stable, the first one gone. */
static int sim_move(void *user, const char *dir, const char *name, const char *to_dir)
{
	struct sim_disk *disk = user;
	struct sim_file *f = disk->is_dead ? NULL : find_file(disk, dir, name);
	bool last;
	int status = before_change(disk, &last);

	if (status < 0 || f == NULL)
		return status < 0 ? status : -ENOENT;
	if (find_file(disk, to_dir, name) == NULL)
		link_file(disk, dir, name, to_dir);
	if (last)
		return -EIO;
	status = before_call(disk, &last);
	if (status < 0 || last)
		return status < 0 ? status : -EIO;
	sync_names(disk, to_dir);
	return sim_unlink(user, dir, name);
}

static int64_t sim_lock_holder(void *user, const char *dir)
{
	struct sim_disk *disk = user;
	bool last;
	int status = before_call(disk, &last);

	(void)dir;
	return status < 0 ? status : last ? -EIO : disk->is_locked ? 1 : 0;
}

static int sim_list(void *user, const char *dir, void (*each)(void *arg, const char *name),
		    void *arg)
{
	struct sim_disk *disk = user;
	bool last;
	int status = before_call(disk, &last);

	if (status < 0 || last)
		return -EIO;
	for (size_t i = 0; i < disk->file_count; i++)
		if (disk->files[i].is_there && strcmp(disk->files[i].dir, dir) == 0)
			each(arg, disk->files[i].name);
	return 0;
}

static int64_t sim_free_octets(void *user, const char *dir)
{
	struct sim_disk *disk = user;
	uint64_t used = sim_disk_used(disk);
	bool last;
	int status = before_call(disk, &last);

	(void)dir;
	if (status < 0 || last)
		return -EIO;
	if (disk->capacity == 0)
		return INT64_MAX;
	return used < disk->capacity ? (int64_t)(disk->capacity - used) : 0;
}

struct span sim_disk_file(struct sim_disk *disk, const char *dir, const char *name)
{
	struct sim_file *f = find_file(disk, dir, name);

	return f ? buf_span(&f->seen) : (struct span){ 0 };
}

const char *sim_disk_name(const struct sim_disk *disk, const char *dir, size_t *at)
{
	while (*at < disk->file_count) {
		const struct sim_file *f = &disk->files[(*at)++];

		if (f->is_there && strcmp(f->dir, dir) == 0)
			return f->name;
	}
	return NULL;
}

void sim_disk_spoil(struct sim_disk *disk, const char *dir, const char *name, uint64_t offset,
		    struct span octets)
{
	struct sim_file *f = find_file(disk, dir, name);

	require(f != NULL);
	settle_file(disk, f, SIM_CUT_ALL);
	put_at(&f->stable, offset, octets.at, octets.len);
	put_at(&f->seen, offset, octets.at, octets.len);
}

struct spool_disk sim_disk_calls(struct sim_disk *disk)
{
	return (struct spool_disk){
		.user = disk,
		.lock_dir = sim_lock_dir,
		.make_dir = sim_make_dir,
		.open = sim_open,
		.close = sim_close,
		.pwritev = sim_pwritev,
		.pread = sim_pread,
		.sync = sim_sync,
		.sync_dir = sim_sync_dir,
		.truncate = sim_truncate,
		.size = sim_size,
		.unlink = sim_unlink,
		.list = sim_list,
		.free_octets = sim_free_octets,
		.move = sim_move,
		.lock_holder = sim_lock_holder,
	};
}
