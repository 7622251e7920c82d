/* main/last_use_file.h: the file of last_use.h.
 *
 * Shape    begin -> put ... -> end; or read, which calls each() in the order of time
 * Errors   the first one of writing is kept until the end; then the old file stays
 */
#pragma once

#include "base/fault.h"
#include "ctl/ctl.h"

enum {
	LAST_USE_ACCOUNT_OCTETS = 255,
	LAST_USE_CREDENTIAL_OCTETS = 64,
	LAST_USE_ADDRESS_OCTETS = 64
};

/* Whether it can stand in a line. */
bool last_use_fits(const struct ctl_use *use);

struct last_use_file;
/* Never NULL. */
struct last_use_file *last_use_file_begin(const char *directory, const char *name);
/* 0, or an error, that of before too. */
int last_use_file_put(struct last_use_file *file, const struct ctl_use *use);
int last_use_file_end(struct last_use_file **file, struct fault *fault);

int last_use_file_read(const char *directory, const char *name,
		       void (*each)(void *user, const struct ctl_use *use), void *user,
		       struct fault *fault);
