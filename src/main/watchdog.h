/* main/watchdog.h: tells systemd that every loop still turns.
 *
 * Shape    watchdog_start -> a token goes from loop to loop, and each full round is one WATCHDOG=1 ->
 *          watchdog_stop -> watchdog_free. A loop that hangs keeps the token, and systemd restarts us
 * Thread   started, stopped and freed on the main loop's thread
 */
#pragma once

#include "io/loop.h"

struct watchdog;

/* NULL where systemd asks for none (WatchdogSec= unset). */
struct watchdog *watchdog_start(struct loop *main_loop, struct loop *const *loops, unsigned count);
/* While all loops are still there; they need not turn any more. NULL is fine. */
void watchdog_stop(struct watchdog *watchdog);
/* After the last loop: until then one of them may hold the token. */
void watchdog_free(struct watchdog **watchdog);
