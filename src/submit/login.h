/* submit/login.h: one AUTH exchange, private to the room.
 *
 * Shape    login.c: the exchange itself; verdict.c: what a worker's answer means, to the client, to the
 *          log and to the counters
 */
#pragma once

#include "session.h"

#include "auth/frame.h"
#include "auth/mech.h"
#include "auth/recent.h"

/* Lives until the worker's answer is here, also when the session is gone before. */
struct login {
	struct worker_ask ask;
	struct session *session; /* NULL: nobody waits any more */
	unsigned ticket;
	bool is_asked;
	bool is_talking; /* a worker keeps a conversation of ours */
	const struct auth_mech *mech;
	uint64_t conversation;
	uint64_t withdrawn;			  /* how many logins had been when it began */
	struct buf responses[AUTH_RESPONSES_MAX]; /* of a whole login */
	unsigned response_count;
	struct auth_recent_key key; /* of a whole login, until its verdict */
	char *name;		    /* as the worker read it, for the log */
};

/* Whether a -PLUS stands among what this session is offered. */
bool login_has_binding(const struct session *s);

/* What the ask came to; UNAVAILABLE where there is no answer. */
void login_answer_of(const struct worker_ask *ask, struct auth_answer *out);
const struct smtp_reply *login_reply(enum auth_verdict verdict);
void login_log(struct session *s, const struct login *login, const struct auth_answer *a);
void login_count(struct counters *counters, enum auth_verdict verdict);
