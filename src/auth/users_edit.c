#include "users_edit.h"

#include "base/base64.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

static int lock_directory(struct users_edit *e, struct fault *fault)
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

static int read_file(struct users_edit *e, bool may_be_missing, struct fault *fault)
{
	struct fault why = { 0 };
	int r = users_file_read(e->path, &e->before, &e->mark, &why);

	e->exists = r == 0;
	if (r == 0)
		r = users_seed_find(e->path, buf_span(&e->before), &e->seed, &why);
	if (r == -ENOENT && may_be_missing)
		return 0;
	return r < 0 ? fault_set(fault, r, "%s", why.text) : 0;
}

int users_edit_begin(struct users_edit *e, const char *path, bool may_be_missing,
		     struct fault *fault)
{
	int r;

	*e = (struct users_edit){ .path = realpath(path, NULL), .lock = -1 };
	if (e->path == NULL)
		e->path = mem_text(path);
	r = lock_directory(e, fault);
	return r < 0 ? r : read_file(e, may_be_missing, fault);
}

int users_edit_walk(struct users_edit *e, void *user,
		    int (*each)(struct users_edit *e, void *user, const struct users_line *line,
				struct fault *fault),
		    struct fault *fault)
{
	struct users_line line = { 0 };
	struct span rest = buf_span(&e->before);
	int r;

	while ((r = users_line_next(e->path, &e->seed, &rest, &line, fault)) > 0) {
		r = each(e, user, &line, fault);
		if (r < 0)
			break;
	}
	mem_wipe(&line, sizeof(line));
	return r;
}

static int find_app(struct users_edit *e, void *user, const struct users_line *line,
		    struct fault *fault)
{
	(void)user;
	(void)fault;
	e->has_apps |= line->kind == USERS_LINE_APP;
	return 0;
}

int users_edit_need_seed(struct users_edit *e, struct fault *fault)
{
	struct buf text = { 0 };
	int r;

	if (e->seed.is_known)
		return 0;
	r = users_edit_walk(e, NULL, find_app, fault);
	if (r < 0)
		return r;
	if (e->has_apps)
		return fault_set(
			fault, -EINVAL,
			"%s: there are app passwords, but the line \"@seed:\" that they were "
			"made with is missing: put it back from a copy, or remove them "
			"(posternctl app-password rm NAME --all)",
			e->path);
	if (getrandom(e->seed.octets, sizeof(e->seed.octets), 0) != sizeof(e->seed.octets))
		return fault_set(fault, -EIO, "the kernel gave no random octets");
	e->seed.is_known = true;
	buf_put_text(&text, "@seed:");
	base64_encode(span_of(e->seed.octets, sizeof(e->seed.octets)), &text);
	users_edit_put_line(e, buf_span(&text));
	buf_wipe(&text);
	return 0;
}

int users_edit_commit(struct users_edit *e, struct fault *fault)
{
	if (e->after.len > USERS_FILE_OCTETS_MAX)
		return fault_set(fault, -EFBIG, "the users file %s would exceed %d MiB", e->path,
				 USERS_FILE_OCTETS_MAX >> 20);
	return users_file_replace(e->path, e->exists ? &e->mark : NULL, buf_span(&e->after), fault);
}

void users_edit_end(struct users_edit *e)
{
	if (e->lock >= 0)
		close(e->lock);
	buf_wipe(&e->before);
	buf_wipe(&e->after);
	free(e->path);
	mem_wipe(e, sizeof(*e));
}

void users_edit_put_line(struct users_edit *e, struct span line)
{
	buf_put_span(&e->after, line);
	buf_put_char(&e->after, '\n');
}
