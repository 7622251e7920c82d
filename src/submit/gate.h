/* submit/gate.h: counting sessions, in all and per address, and those that are turned away for load.
 *
 * Thread   any; one short lock at a session's start and one at its end
 */
#pragma once

#include "submit/submit.h"

struct gate_address {
	unsigned char octets[8]; /* an IPv4 address, or the first 64 bits of an IPv6 one */
};

enum gate_verdict { GATE_OPEN, GATE_FULL, GATE_ADDRESS_FULL, GATE_BUSY };

/* Of sessions turned away because more came than could be served. */
struct gate_episode {
	uint64_t sid; /* 0: there is none */
	uint64_t refused;
	int64_t since_ms, last_ms; /* of the loops' clock */
	int64_t since_wall_ms;
};

struct gate_limits {
	long sessions, sessions_per_address;
	/* Of one address, sessions that have not logged in; 0: any number. */
	long strangers_per_address;
};

void gate_address_parse(const char *text, struct gate_address *out);
enum gate_verdict gate_enter(struct submit_gate *gate, const struct gate_address *address,
			     const struct gate_limits *limits);
/* It has logged in, for the first time: at most once for each gate_enter() that said GATE_OPEN. */
void gate_know(struct submit_gate *gate, const struct gate_address *address);
/* Once for each gate_enter() that said GATE_OPEN. */
void gate_leave(struct submit_gate *gate, const struct gate_address *address, bool is_known);

/* One more was turned away. True: this begins an episode, which has that sid. */
bool gate_episode_add(struct submit_gate *gate, int64_t now_ms, int64_t wall_ms, uint64_t sid);
/* The one that goes on; its sid is 0 when none does. */
struct gate_episode gate_episode_now(struct submit_gate *gate);
/* Ends it when nobody was turned away for quiet_ms, and returns 0; otherwise how long that is still to go.
 * quiet_ms 0 ends it whatever the clocks say. For who began it. */
int64_t gate_episode_end(struct submit_gate *gate, int64_t now_ms, int64_t quiet_ms,
			 struct gate_episode *ended_out);
