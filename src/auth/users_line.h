/* auth/users_line.h (private): the lines of the users file.
 *
 * Shape    users_seed_find() looks for the seed, then users_line_next() -> line by line
 * Errors   bounded: 2,048 octets a line. -EINVAL with file and line, no part of which is a secret
 */
#pragma once

#include "verifier.h"

enum { USERS_LINE_OCTETS_MAX = 2048 };

struct users_seed {
	bool is_known;
	unsigned char octets[VERIFIER_SEED_OCTETS];
};

/* The one line with it, or none; the text is that of the whole file. */
int users_seed_find(const char *path, struct span text, struct users_seed *out,
		    struct fault *fault);

enum users_line_kind {
	USERS_LINE_OTHER,    /* empty, a comment, the seed */
	USERS_LINE_PASSWORD, /* NAME:HASH... */
	USERS_LINE_APP,	     /* NAME:+ID... */
};

/* Spans stand in the text. Wiped by the caller at the end. */
struct users_line {
	struct span whole; /* without the newline */
	unsigned number;
	enum users_line_kind kind;
	struct span name;
	bool has_scram; /* with the salt of that name and our count of iterations */
	struct auth_scram scram;
	struct span hash;
	struct span behind; /* of a password: what stands behind the fields known, with its ':' */
	struct span id, label;
	int64_t created_s, expires_s;
	unsigned char mac[AUTH_SCRAM_OCTETS];
};

/* Takes the next line off `rest`: 1, 0 at the end, or -EINVAL. line->number counts on from what it
 * was. */
int users_line_next(const char *path, const struct users_seed *seed, struct span *rest,
		    struct users_line *line, struct fault *fault);

/* NULL when it can stand in the file; otherwise what is wrong with it. */
const char *users_name_flaw(struct span name);
const char *users_label_flaw(struct span label);
