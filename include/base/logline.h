/* base/logline.h: one event as one line of key=value.
 *
 * Shape    logline_start(l, LOG_INFO, "accept"); logline_text(l, "login", name); ... the line
 *          stands in l->text, NUL-terminated, without a newline
 * Errors   a line that is full is cut and ends in "..."; a value is cut at 256 octets
 * Source   values of [A-Za-z0-9._:/@+<>,-] stand bare, others in double quotes with C0, C1, DEL,
 *          octets that are not UTF-8, quote and backslash as \xNN: no peer can forge a line or
 *          steer a terminal
 */
#pragma once

#include "base/span.h"

#include <stdarg.h>

/* As syslog's, so that journald reads them. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

struct logline {
	enum log_level level;
	bool is_cut;
	size_t len;
	char text[1024];
};

/* The line begins "event=NAME". */
void logline_start(struct logline *l, enum log_level level, const char *event);
/* Nothing is added when value is NULL, or an empty span from NULL. */
void logline_text(struct logline *l, const char *key, const char *value);
void logline_span(struct logline *l, const char *key, struct span value);
void logline_number(struct logline *l, const char *key, int64_t value);
/* An id of base/id.h; nothing when it is 0. */
void logline_id(struct logline *l, const char *key, uint64_t id);
void logline_format(struct logline *l, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
