/* base/fault.h: what went wrong, in words for the person who must act.
 *
 * Shape    a code (negative errno) and one sentence: what, where, what to do
 * Errors   a function that takes a struct fault * fills it when, and only when, it fails
 */
#pragma once

#include <stdarg.h>

struct fault {
	int code; /* 0: nothing is wrong */
	char text[512];
};

/* Fills `fault` (which may be NULL) and returns `code`, for `return fault_set(...)`. Text that
 * does not fit is cut. */
int fault_set(struct fault *fault, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts words in front of what is already there: "reading /etc/x: " + text. */
void fault_prefix(struct fault *fault, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
