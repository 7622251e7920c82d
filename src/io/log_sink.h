/* io/log_sink.h: how a gathered batch of lines is written. On the writer's thread. */
#pragma once

#include "base/buf.h"
#include "base/logline.h"

#include <stdint.h>

/* One line as it waits: this head, then `len` octets of text. */
struct log_entry {
	int64_t wall_ms;
	uint32_t len;
	enum log_level level;
};

/* The second that was written last, in words: most lines share it with the one before. */
struct log_second {
	int64_t second;
	char text[32]; /* "": none yet */
};

/* Appends "2026-11-21T22:11:54.123Z info TEXT\n". */
void log_sink_format(struct buf *out, struct log_second *last, const struct log_entry *entry,
		     const char *text);
/* As few write(2) calls as the descriptor allows; false when it takes nothing any more. */
bool log_sink_write(int fd, struct span lines);
/* The value behind "key=", which is an id and so has no quotes; within quotes stands what a peer said.
 * Empty: there is none. */
struct span log_sink_field(struct span line, const char *key);
void log_sink_journal(const struct log_entry *entry, const char *text);
/* Whether stderr is the journal's stream (systemd.exec(5), JOURNAL_STREAM). */
bool log_sink_is_journal(void);
