/* main/last_use_saver.h: has the table of last uses saved each minute, away from the loops, and at the
 * end.
 *
 * Shape    start -> stop (saves once more, on the calling thread) -> free
 * Thread   the main loop's; stop before that loop is freed, free after it
 * Owns     the thread that writes
 * Errors   a log line when saving begins to fail, and none until it went well again
 */
#pragma once

#include "io/log.h"
#include "io/loop.h"
#include "last_use.h"

struct last_use_saver;

struct last_use_saver *last_use_saver_start(struct loop *loop, struct log *log,
					    struct last_use *table);
void last_use_saver_stop(struct last_use_saver *saver);
void last_use_saver_free(struct last_use_saver **saver);
