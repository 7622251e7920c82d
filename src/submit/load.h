/* submit/load.h: whether more comes than can be served, and what is told to those who come then.
 *
 * Shape    load_judge() at each connection; load_refused() for each that is turned away
 * Thread   the loop of its struct submit; the episode is the gate's, shared by all loops
 *
 * What is measured is how long a TLS handshake waits for its turn (loop_wait_ms), for that is where a
 * crowd of new sessions gathers: those that are logged in are served before. Beyond the limit nobody is
 * let in; from half of it on, nobody whose address has many sessions that have not logged in, so that one
 * client that connects without end does not keep the others out. Either ends at half of where it began.
 * Nobody is let in, too, while so many logins wait, or one so long, that they would soon be answered 454,
 * which mail programs take for a wrong password; and nobody from such an address from half of either on.
 *
 * The log has one line where an episode begins and one where it has ended: when none was turned away for
 * ten seconds. The reference in a refusal is the sid of the line at the beginning.
 */
#pragma once

#include "submit/submit.h"

#include "base/id.h"

enum load { LOAD_FINE, LOAD_BUSY, LOAD_OVER };

/* What one loop was found to be last. */
struct load_gauge {
	bool is_busy, is_over;
};

enum { LOAD_STRANGERS_MOST = 8, LOAD_QUIET_MS = 10 * 1000 };

/* limit_ms 0: always fine. */
enum load load_gauge_judge(struct load_gauge *gauge, int64_t wait_ms, int64_t limit_ms);

enum load load_judge(struct submit *submit);
/* Counts one that is turned away. */
void load_refused(struct submit *submit);
/* The reply, with the reference of the line at the episode's beginning. */
void load_put_words(struct submit *submit, struct buf *out);
/* Says so to one just accepted, where that is possible, and closes. */
void load_turn_away(struct submit *submit, int fd, const struct submit_listen *listen);
/* The submit goes: the episode that it saw begin ends for the log. */
void load_leave(struct submit *submit);
void load_on_quiet(struct timer *timer);
