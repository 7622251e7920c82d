/* src/conf/scan.h: what libconfuse's lexer lets pass or counts wrong is dealt with before it reads.
 *
 * Shape    conf_scan(text) -> the same text with comments blanked, and the line of each section
 * Owns     both, until conf_scan_fini()
 * Errors   a fault with file:line: what is not closed, stray characters, ${...}, escapes
 *
 * The lexer of libconfuse 3.3 skips characters that it does not know, replaces ${NAME} from the
 * environment, takes the end of the text for the end of a section or of a quoted text, and counts a
 * line too many at the end of a block comment.
 */
#pragma once

#include "conf/conf.h"

struct conf_scan {
	struct buf text;    /* NUL-terminated */
	int *section_lines; /* of each section's opening brace, in order */
	size_t section_count;
};

int conf_scan(const struct conf_text *in, struct conf_scan *out, struct fault *fault);
void conf_scan_fini(struct conf_scan *scan);
