/* main/smarthost_login.h: the smarthost logins of one loop, by Cyrus SASL on a lane.
 *
 * Shape    gives relay its struct relay_login_ops; each step runs on the lane, each answer comes back
 *          to the loop
 * Thread   the loop's; the lane has one thread for the whole process, as Cyrus wants it
 * Owns     each login until relay ended it and its step has come back
 */
#pragma once

#include "io/lane.h"
#include "relay/relay.h"

struct smarthost_logins {
	struct loop *loop;
	struct lane *lane;
	/* private */
	unsigned count;
	void (*ended)(void *user);
	void *user;
};

/* `logins` must outlive the relay. */
struct relay_login_ops smarthost_login_ops(struct smarthost_logins *logins);
/* The relay is gone: ended() once nothing is left to do on the lane, perhaps inside this call. */
void smarthost_logins_end(struct smarthost_logins *logins, void (*ended)(void *user), void *user);
