/* io/log.h: where log lines go.
 *
 * Shape    log_put() copies the line and returns; a thread of its own writes
 * Thread   any
 * Errors   when the reader is slower than we are and the ring (1 MiB) is full, lines are dropped and
 *          counted, and a line says how many; a session never waits for its log
 */
#pragma once

#include "base/logline.h"

struct log;

enum log_to {
	LOG_TO_AUTO,	/* the journal when stderr is connected to it, else stderr */
	LOG_TO_STDERR,	/* RFC 3339 time, level and line */
	LOG_TO_JOURNAL, /* sd_journal: MESSAGE, PRIORITY, SYSLOG_FACILITY=2 (mail), QUEUE_ID, ... */
};

struct log *log_new(enum log_to to, enum log_level most);
/* Writes what is left, then ends; after five seconds it ends all the same, since a reader that takes
 * nothing must not keep the daemon from ending. */
void log_free(struct log **log);
void log_put(struct log *log, const struct logline *line);
/* Until every line put so far is written; false: the reader took none within this time. It waits, so
 * never on a loop. */
bool log_flush(struct log *log, int64_t within_ms);
/* True when a line of this level would be written: spares making it. */
bool log_wants(const struct log *log, enum log_level level);
