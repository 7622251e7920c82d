#include "auth/users.h"

#include "password.h"
#include "users_file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* One change: what is read, what is to be written, and the lock between. */
struct edit {
	char *path; /* without symbolic links, so that a link is kept and its target replaced */
	int lock;
	struct buf before, after;
	struct users_mark mark;
	bool exists;
};

static int lock_directory(struct edit *e, struct fault *fault)
{
	const char *slash = strrchr(e->path, '/');
	char *directory =
		slash ? mem_text_n(e->path, (size_t)(slash - e->path) + 1) : mem_text(".");
	int r = 0;

	e->lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (e->lock >= 0 && (r = flock(e->lock, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (e->lock < 0 || r < 0)
		r = fault_set(fault, -errno, "cannot lock %s for the users file: %s", directory,
			      strerror(errno));
	free(directory);
	return r;
}

static int edit_begin(struct edit *e, const char *path, struct fault *fault)
{
	int r;

	*e = (struct edit){ .path = realpath(path, NULL), .lock = -1 };
	if (e->path == NULL)
		e->path = mem_text(path);
	r = lock_directory(e, fault);
	if (r < 0)
		return r;
	r = users_file_read(e->path, &e->before, &e->mark, fault);
	e->exists = r == 0;
	return r;
}

static int edit_commit(struct edit *e, struct fault *fault)
{
	if (e->after.len > USERS_FILE_OCTETS_MAX)
		return fault_set(fault, -EFBIG, "the users file %s would exceed %d MiB", e->path,
				 USERS_FILE_OCTETS_MAX >> 20);
	return users_file_replace(e->path, e->exists ? &e->mark : NULL, buf_span(&e->after), fault);
}

static void edit_end(struct edit *e)
{
	if (e->lock >= 0)
		close(e->lock);
	buf_wipe(&e->before);
	buf_wipe(&e->after);
	free(e->path);
}

static void put_line(struct buf *out, struct span line)
{
	buf_put_span(out, line);
	buf_put_char(out, '\n');
}

/* The line with another hash; the fields behind it stay. */
static void put_with_hash(struct buf *out, const struct users_line *line, const char *hash)
{
	size_t behind = (size_t)(line->hash.at - line->whole.at) + line->hash.len;

	buf_put_span(out, line->name);
	buf_put_char(out, ':');
	buf_put_text(out, hash);
	put_line(out, span_from(line->whole, behind));
}

/* Copies all lines; that of `name` gets `hash`, or is left out when that is NULL. Says whether
 * there was one. */
static int copy(struct edit *e, struct span name, const char *hash, bool *found,
		struct fault *fault)
{
	struct users_line line = { 0 };
	struct span rest = buf_span(&e->before);
	int r;

	*found = false;
	while ((r = users_file_next(e->path, &rest, &line, fault)) > 0) {
		bool is_it = line.name.at && span_eq(line.name, name);

		*found |= is_it;
		if (!is_it)
			put_line(&e->after, line.whole);
		else if (hash)
			put_with_hash(&e->after, &line, hash);
	}
	return r;
}

static int check_name(struct span name, struct fault *fault)
{
	const char *flaw = users_name_flaw(name);

	return flaw ? fault_set(fault, -EINVAL, "%s", flaw) : 0;
}

static int append_user(struct edit *e, struct span name, const char *hash, struct fault *fault)
{
	bool found;
	int r = copy(e, name, hash, &found, fault);

	if (r < 0)
		return r;
	if (found)
		return fault_set(
			fault, -EEXIST,
			"%.*s is in %s already (posternctl user passwd changes a password)",
			(int)name.len, (const char *)name.at, e->path);
	buf_put_span(&e->after, name);
	buf_put_char(&e->after, ':');
	put_line(&e->after, span_text(hash));
	return edit_commit(e, fault);
}

int auth_users_add(const char *path, const char *name, struct span password, struct fault *fault)
{
	char hash[CRYPT_OUTPUT_SIZE];
	struct fault missing = { 0 };
	struct edit e;
	int r = check_name(span_text(name), fault);

	if (r == 0)
		r = password_hash(password, hash, fault);
	if (r < 0)
		return r;
	r = edit_begin(&e, path, &missing);
	if (r == -ENOENT && e.lock >= 0)
		r = 0;
	else if (r < 0)
		fault_set(fault, r, "%s", missing.text);
	if (r == 0)
		r = append_user(&e, span_text(name), hash, fault);
	edit_end(&e);
	return r;
}

static int change(const char *path, const char *name, const char *hash, struct fault *fault)
{
	struct edit e;
	bool found;
	int r = edit_begin(&e, path, fault);

	if (r == 0)
		r = copy(&e, span_text(name), hash, &found, fault);
	if (r == 0 && !found)
		r = fault_set(fault, -ENOENT, "there is no user %s in %s", name, e.path);
	if (r == 0)
		r = edit_commit(&e, fault);
	edit_end(&e);
	return r;
}

int auth_users_passwd(const char *path, const char *name, struct span password, struct fault *fault)
{
	char hash[CRYPT_OUTPUT_SIZE];
	int r = password_hash(password, hash, fault);

	return r < 0 ? r : change(path, name, hash, fault);
}

int auth_users_rm(const char *path, const char *name, struct fault *fault)
{
	return change(path, name, NULL, fault);
}
