/* io/wipe.h: how much of what a peer sent is wiped.
 *
 * A password comes in a line, and lines are short: at least so many octets at once are content, and
 * to wipe all of that would cost as much as to copy it.
 */
#pragma once

enum { WIPE_OCTETS = 4096 };
