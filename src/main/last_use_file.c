#include "last_use_file.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* As much as LAST_USE_MOST of the longest lines. */
enum { FILE_OCTETS_MAX = 64 << 20, WRITE_OCTETS = 64 << 10 };

struct last_use_file {
	char *path, *fresh;
	int fd, error;
	struct buf waiting; /* to be written */
};

struct line {
	int64_t time_s;
	struct span credential, address, account;
	size_t place; /* in the file: what came later there, stays later */
};

struct lines {
	struct line *at;
	size_t count, cap;
};

/* One word, or one line where spaces are fine. */
static bool is_text(struct span s, size_t most, bool has_spaces)
{
	if (s.len > most || !span_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < ' ' || s.at[i] == 0x7f || (s.at[i] == ' ' && !has_spaces))
			return false;
	return true;
}

static bool fits(const struct line *line)
{
	return line->time_s >= 0 && line->account.len &&
	       is_text(line->account, LAST_USE_ACCOUNT_OCTETS, true) &&
	       is_text(line->credential, LAST_USE_CREDENTIAL_OCTETS, false) &&
	       is_text(line->address, LAST_USE_ADDRESS_OCTETS, false);
}

bool last_use_fits(const struct ctl_use *use)
{
	return fits(&(struct line){ .time_s = use->time_s,
				    .account = span_text(use->account),
				    .credential = span_text(use->credential),
				    .address = span_text(use->address) });
}

static char *path_of(const char *directory, const char *name, const char *end)
{
	struct buf path = { 0 };

	buf_printf(&path, "%s/%s%s", directory, name, end);
	return buf_take_text(&path);
}

struct last_use_file *last_use_file_begin(const char *directory, const char *name)
{
	struct last_use_file *f = mem_new(struct last_use_file);

	f->path = path_of(directory, name, "");
	f->fresh = path_of(directory, name, ".new");
	/* Left over from a process that was cut off in the middle. */
	unlink(f->fresh);
	f->fd = open(f->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f->error = f->fd < 0 ? -errno : 0;
	return f;
}

static void write_out(struct last_use_file *f)
{
	while (f->error == 0 && f->waiting.len) {
		struct span rest = buf_span(&f->waiting);
		ssize_t n = write(f->fd, rest.at, rest.len);

		if (n >= 0)
			buf_drop(&f->waiting, (size_t)n);
		else if (errno != EINTR)
			f->error = -errno;
	}
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

int last_use_file_put(struct last_use_file *f, const struct ctl_use *use)
{
	buf_printf(&f->waiting, "%" PRId64 " %s %s %s\n", use->time_s, or_dash(use->credential),
		   or_dash(use->address), use->account);
	if (f->waiting.len >= WRITE_OCTETS)
		write_out(f);
	return f->error;
}

int last_use_file_end(struct last_use_file **file, struct fault *fault)
{
	struct last_use_file *f = *file;
	int r;

	*file = NULL;
	write_out(f);
	if (f->error == 0 && fsync(f->fd) < 0)
		f->error = -errno;
	if (f->fd >= 0 && close(f->fd) < 0 && f->error == 0)
		f->error = -errno;
	if (f->error == 0 && rename(f->fresh, f->path) < 0)
		f->error = -errno;
	if (f->error < 0) {
		unlink(f->fresh);
		fault_set(fault, f->error, "cannot write %s: %s", f->path, strerror(-f->error));
	}
	r = f->error;
	buf_fini(&f->waiting);
	free(f->path);
	free(f->fresh);
	free(f);
	return r;
}

static struct span take_word(struct span *rest)
{
	size_t end = span_find(*rest, ' ');
	struct span word = span_first(*rest, end);

	*rest = span_from(*rest, end + 1);
	return span_eq(word, span_text("-")) ? span_of(NULL, 0) : word;
}

static void parse(struct span text, struct lines *out)
{
	struct line line = { .place = out->count };
	uint64_t time_s;

	if (span_number(take_word(&text), &time_s) < 0 || time_s > INT64_MAX / 1000)
		return;
	line.time_s = (int64_t)time_s;
	line.credential = take_word(&text);
	line.address = take_word(&text);
	line.account = text;
	if (!fits(&line))
		return;
	if (out->count == out->cap) {
		out->cap = out->cap ? out->cap * 2 : 64;
		out->at = mem_resize(out->at, out->cap * sizeof(*out->at));
	}
	out->at[out->count++] = line;
}

static int by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->time_s != y->time_s)
		return x->time_s < y->time_s ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Only whole lines: the last may be cut off. */
static void tell_lines(struct span text, void (*each)(void *user, const struct ctl_use *use),
		       void *user)
{
	struct lines lines = { 0 };
	size_t end;

	while ((end = span_find(text, '\n')) < text.len) {
		parse(span_first(text, end), &lines);
		text = span_from(text, end + 1);
	}
	if (lines.count)
		qsort(lines.at, lines.count, sizeof(*lines.at), by_time);
	for (size_t i = 0; i < lines.count; i++) {
		const struct line *line = &lines.at[i];
		char *account = mem_text_n(line->account.at, line->account.len),
		     *credential = mem_text_n(line->credential.at, line->credential.len),
		     *address = mem_text_n(line->address.at, line->address.len);

		each(user, &(struct ctl_use){ account, credential, address, line->time_s });
		free(account);
		free(credential);
		free(address);
	}
	free(lines.at);
}

static int read_all(int fd, struct buf *out)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (out->len <= FILE_OCTETS_MAX) {
		n = read(fd, buf_room(out, WRITE_OCTETS), WRITE_OCTETS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_grew(out, (size_t)n);
	}
	return -EFBIG;
}

int last_use_file_read(const char *directory, const char *name,
		       void (*each)(void *user, const struct ctl_use *use), void *user,
		       struct fault *fault)
{
	char *path = path_of(directory, name, "");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct buf text = { 0 };
	int r = fd < 0 ? -errno : read_all(fd, &text);

	if (r == 0)
		tell_lines(buf_span(&text), each, user);
	if (r == -ENOENT)
		r = 0;
	if (r < 0)
		fault_set(fault, r, "cannot read %s: %s; what was used when is not known", path,
			  strerror(-r));
	if (fd >= 0)
		close(fd);
	buf_fini(&text);
	free(path);
	return r;
}
