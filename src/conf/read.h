/* src/conf/read.h: one text through libconfuse, as sections and settings in the order of the text.
 *
 * Shape    conf_read(text, reading) for each text; the results add up
 * Owns     what is read, in a struct conf_store
 * Errors   a fault with file:line: syntax, unknown keys, a key or a title given twice in the text
 */
#pragma once

#include "store.h"
#include "table.h"

struct conf_setting {
	const struct conf_key *key;
	const char *text; /* NULL: an empty list */
	bool is_more;	  /* a further member of the same list */
	struct conf_place place;
};

/* A section as it stands in one text, or the keys outside of sections. */
struct conf_block {
	const struct conf_section *section;
	const char *title; /* NULL: it takes none */
	struct conf_place place;
	struct conf_setting *settings;
	size_t count, cap;
};

struct conf_reading {
	struct conf_store *store;
	struct conf_block **blocks;
	size_t count, cap;
};

int conf_read(const struct conf_text *text, struct conf_reading *reading, struct fault *fault);
void conf_reading_fini(struct conf_reading *reading);
