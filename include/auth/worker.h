/* auth/worker.h: what an auth worker process does: reads frames, has Cyrus SASL check each login,
 * answers.
 *
 * Shape    returns the exit status when the other side closes
 * Thread   the only one of its process, which it makes its own: no core dumps, no new privileges,
 *          umask 077, SIGINT, SIGHUP and SIGPIPE ignored
 * Errors   nothing a client sends ends it; a frame that is none does (exit 1)
 */
#pragma once

/* fd: connected to the daemon; the first frame is struct auth_hello. */
int auth_worker_run(int fd);
