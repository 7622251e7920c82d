/* src/conf/value.h: from the text of a value to a field, and back.
 *
 * Errors   -EINVAL; `wrong` says what is accepted
 */
#pragma once

#include "table.h"

#include "store.h"

/* Sets, or for a list appends to, the key's field in the section's struct at `base`. */
int conf_value_set(const struct conf_key *key, void *base, const char *text,
		   struct conf_store *store, struct buf *wrong);
/* The field's value as it would be written. */
void conf_value_put(const struct conf_key *key, const void *base, struct buf *out);
/* A preset or an example of the table, likewise; members of a list have ", " between them there. */
void conf_value_put_given(const struct conf_key *key, const char *text, struct buf *out);
/* What a value of this key may be: "yes, no", "100ms to 1h". */
void conf_value_put_accepted(const struct conf_key *key, struct buf *out);
/* In double quotes, with backslashes where needed. */
void conf_value_put_quoted(const char *text, struct buf *out);
