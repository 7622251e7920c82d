/* submit/gate.h: counting sessions, in all and per address.
 *
 * Thread   any; one short lock at a session's start and one at its end
 */
#pragma once

#include "submit/submit.h"

struct gate_address {
	unsigned char octets[8]; /* an IPv4 address, or the first 64 bits of an IPv6 one */
};

enum gate_verdict { GATE_OPEN, GATE_FULL, GATE_ADDRESS_FULL };

void gate_address_parse(const char *text, struct gate_address *out);
enum gate_verdict gate_enter(struct submit_gate *gate, const struct gate_address *address,
			     long sessions, long sessions_per_address);
/* Once for each gate_enter() that said GATE_OPEN. */
void gate_leave(struct submit_gate *gate, const struct gate_address *address);
