#include "log_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The line keeps its own words; the journal's own file, line and function would be this file's. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

static void put_time(struct buf *out, struct log_second *last, int64_t wall_ms)
{
	int64_t second = wall_ms / 1000;
	unsigned ms = (unsigned)(wall_ms % 1000);
	char fraction[] = {
		'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z',
		' '
	};

	if (last->text[0] == '\0' || last->second != second) {
		time_t seconds = (time_t)second;
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(last->text, sizeof(last->text), "%Y-%m-%dT%H:%M:%S", &tm);
		last->second = second;
	}
	buf_put_text(out, last->text);
	buf_put(out, fraction, sizeof(fraction));
}

void log_sink_format(struct buf *out, struct log_second *last, const struct log_entry *entry,
		     const char *text)
{
	put_time(out, last, entry->wall_ms);
	buf_put_text(out, level_name(entry->level));
	buf_put_char(out, ' ');
	buf_put(out, text, entry->len);
	buf_put_char(out, '\n');
}

bool log_sink_write(int fd, struct span lines)
{
	while (lines.len) {
		ssize_t n = write(fd, lines.at, lines.len);

		if (n >= 0)
			lines = span_from(lines, (size_t)n);
		else if (errno == EAGAIN)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
		else if (errno != EINTR)
			return false;
	}
	return true;
}

struct span log_sink_field(struct span line, const char *key)
{
	bool is_quoted = false;

	for (; line.len; line = span_from(line, 1)) {
		if (line.at[0] == '"')
			is_quoted = !is_quoted;
		if (is_quoted || line.at[0] != ' ' || !span_istarts(span_from(line, 1), key))
			continue;
		line = span_from(line, 1 + strlen(key));
		return span_first(line, span_find(line, ' '));
	}
	return span_of(NULL, 0);
}

static void put_field(struct iovec *iov, int *count, char *room, size_t cap, const char *key,
		      const char *value, int n)
{
	int len = snprintf(room, cap, "%s=%.*s", key, n, value);

	if (len < 0)
		return;
	iov[*count].iov_base = room;
	iov[*count].iov_len = (size_t)len < cap ? (size_t)len : cap - 1;
	(*count)++;
}

void log_sink_journal(const struct log_entry *entry, const char *text)
{
	static char name[] = "SYSLOG_IDENTIFIER=postern", mail[] = "SYSLOG_FACILITY=2";
	char message[1100], priority[24], sid[64], qid[64];
	struct iovec iov[6] = { { name, sizeof(name) - 1 }, { mail, sizeof(mail) - 1 } };
	struct span field;
	int count = 2;

	put_field(iov, &count, message, sizeof(message), "MESSAGE", text, (int)entry->len);
	put_field(iov, &count, priority, sizeof(priority), "PRIORITY",
		  &"01234567"[entry->level & 7], 1);
	field = log_sink_field(span_of(text, entry->len), "sid=");
	if (field.len)
		put_field(iov, &count, sid, sizeof(sid), "SESSION_ID", (const char *)field.at,
			  (int)field.len);
	field = log_sink_field(span_of(text, entry->len), "qid=");
	if (field.len)
		put_field(iov, &count, qid, sizeof(qid), "QUEUE_ID", (const char *)field.at,
			  (int)field.len);
	sd_journal_sendv(iov, count);
}

bool log_sink_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}
