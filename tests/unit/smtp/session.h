/* session.h: a session with the server engine, in which every event is answered by a fixed rule.
 *
 * AUTH       PLAIN with a response: 235 for "\0alice\0right", 454 for "\0alice\0busy", else 535;
 *            without one: 334. LOGIN: 334 "Username:", 334 "Password:", then by the password.
 * MAIL       550 for the local part "denied", else 250
 * RCPT       550 for "no", 450 for "later", else 250
 * BODY_BEGIN 452 when the sender is "full", else 354
 * BODY_END   451 when the sender is "broken", else 250
 * STARTTLS   220, and TLS starts at once
 */
#pragma once

#include "smtp/server.h"

struct session {
	struct smtp_server *srv;
	struct buf events;  /* one word and its details for each event, " | " between */
	struct buf output;  /* all that was sent */
	struct buf content; /* of all messages that came whole */
	struct buf message; /* of the one that is coming */
	struct buf login;   /* LOGIN: the name */
	char sender[64];
	size_t logins; /* that succeeded */
	bool is_login;
	bool is_over;
	bool was_dotless; /* BODY_END of the last message */
};

struct smtp_server_conf session_conf(void);
void session_start(struct session *s, const struct smtp_server_conf *conf);
void session_log_in(struct session *s);
/* Feeds, takes all events, answers them, and sends what is due. */
void session_feed(struct session *s, struct span octets);
/* Forgets what was recorded so far. */
void session_forget(struct session *s);
/* "250 2.1.0 | 354 | 250": the first words of each reply sent, of its last line. */
void session_codes(const struct session *s, struct buf *out);
void session_end(struct session *s);
