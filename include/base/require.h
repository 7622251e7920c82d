/* base/require.h: what must be true if our own code is right.
 *
 * Shape    require(condition); a false one prints the place and aborts
 * Errors   never compiled out, and never reachable by anything a peer sends
 */
#pragma once

#define require(cond)                                                                              \
	((cond) ? (void)0 : require_failed(__FILE__, __LINE__, #cond))

_Noreturn void require_failed(const char *file, int line, const char *cond);
