/* main/watchdog.h: tells systemd that every loop still turns.
 *
 * Shape    a token goes from loop to loop; each full round is one WATCHDOG=1. A loop that hangs
 * keeps the token, and systemd restarts us. Thread   started and stopped on the main loop's thread
 */
#pragma once

#include "io/loop.h"

struct watchdog;

/* NULL where systemd asks for none (WatchdogSec= unset). */
struct watchdog *watchdog_start(struct loop *main_loop, struct loop *const *loops, unsigned count);
/* The loops must still be there, but need not turn any more. */
void watchdog_stop(struct watchdog **watchdog);
