/* main/last_use.h: when each account's password, and each of its app passwords, was last used, and from
 * where.
 *
 * Shape    last_use_new() -> last_use_read() -> last_use_put() for each login -> last_use_save() now
 *          and then
 * Thread   put and each from any, at the same time; save one at a time, from any that may wait
 * Owns     the table, and the file "last-use" in its directory: one line a use, SECONDS CREDENTIAL
 *          ADDRESS ACCOUNT ("-" for an empty one). Replaced by rename(2); a line that is none is passed
 *          over
 * Errors   of the file only: what happened since it was last saved is forgotten with the process
 *
 * Bounded: of LAST_USE_MOST entries the one used longest ago makes room for another.
 */
#pragma once

#include "base/fault.h"
#include "ctl/ctl.h"

enum { LAST_USE_MOST = 100 * 1000 };

struct last_use;

struct last_use *last_use_new(const char *directory, size_t most);
void last_use_free(struct last_use **table);
/* Before anything is put. A file that is not there is an empty one. */
int last_use_read(struct last_use *table, struct fault *fault);
/* As struct submit_conf wants it: now. */
void last_use_put(void *table, const char *account, const char *credential, const char *address);
void last_use_put_at(struct last_use *table, const struct ctl_use *use);
/* Nothing is written when nothing was put since the last time. */
int last_use_save(struct last_use *table, struct fault *fault);
/* As struct ctl_conf wants it; uses of the time meanwhile may be among them or not. */
void last_use_each(void *table, const char *account,
		   bool (*each)(void *to, const struct ctl_use *use), void *to);
