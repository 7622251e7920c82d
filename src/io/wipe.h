/* io/wipe.h: how much of what a peer sent is wiped.
 *
 * A password comes in a line, and lines are short: what is longer than so many octets is content, and
 * to wipe all of that would cost as much as to copy it. A login may stand in front of it all the same.
 */
#pragma once

enum { WIPE_OCTETS = 4096 };
