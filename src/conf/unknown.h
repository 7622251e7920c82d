/* src/conf/unknown.h: what to say about a key that is not in the table. */
#pragma once

#include "table.h"

/* Names the key that may be meant, or the section it belongs to, and all that are accepted. */
void conf_unknown_key(const struct conf_section *section, const char *name, const char *file,
		      int line, struct fault *fault);
