/* admin.h: an administrator who holds, releases, flushes, removes, bounces and reroutes, and looks.
 *
 * Shape    admin_act at any time; admin_crash when the process has ended
 */
#pragma once

/* Something, to some message. */
void admin_act(void);
/* What is held is held no more. */
void admin_release_all(void);
/* Walks over the queue, and checks that it sees each message once. */
void admin_look(void);
/* Returns how many orders are not answered. */
unsigned admin_crash(void);
