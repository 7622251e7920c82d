/* submit/backend.h: whether logins can be checked at all, private to the room.
 *
 * At the start, after a reload and when a login got no verdict, one loop asks a worker whether the back end
 * is there (submit_probe). While it is not, new sessions are turned away with 421 at the greeting: mail
 * programs then keep the message and ask nobody for a password, which after a 454 they do. The question is
 * repeated until the answer is good.
 */
#pragma once

#include "session.h"

#include "auth/frame.h"

/* What came of an ask; on the submit's loop. */
void backend_heard(struct submit *submit, int status, enum auth_verdict verdict);
bool backend_is_down(const struct submit *submit);
/* The submit ends: its question is let go. */
void backend_leave(struct submit *submit);
