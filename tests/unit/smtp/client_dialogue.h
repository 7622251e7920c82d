/* tests/unit/smtp/client_dialogue.h: the client engine against a peer that reads from a script.
 *
 * A dialogue is a list of steps:
 *   "<text"  the peer sends text and CRLF ("<~text": without CRLF)
 *   ">text"  the engine has put text and CRLF in its output (">~text": without)
 *   "=text"  the engine has told an event
 *   "!verb"  the user calls a function
 * Events and output are compared wherever "<" or "!" follows, and at the end: nothing may be
 * missing and nothing may be more.
 */
#pragma once

#include "smtp/client.h"

#define STEPS_MOST 80

struct dialogue {
	const char *name;
	enum smtp_client_tls tls;
	bool login;
	bool is_whole_only; /* the cut itself makes a difference: what comes too early */
	const char *steps[STEPS_MOST];
};

#define PLAIN SMTP_CLIENT_TLS_NONE, false, false
#define LOGIN SMTP_CLIENT_TLS_IMPLICIT, true, false
#define STARTTLS SMTP_CLIENT_TLS_STARTTLS, false, false

#define UP_SLOW "<220 mx ESMTP", ">EHLO relay", "<250 mx", "=READY"
#define UP "<220 mx ESMTP", ">EHLO relay", "<250-mx", "<250 PIPELINING", "=READY"
#define UP_LOGIN(mechanisms)                                                                       \
	"<220 mx", ">EHLO relay", "<250-mx", "<250 AUTH " mechanisms, "=LOGIN " mechanisms
#define MAIL_ONE ">MAIL FROM:<s@x>", ">RCPT TO:<r0@y>"
#define MAIL_TWO MAIL_ONE, ">RCPT TO:<r1@y>"
#define MAIL_THREE MAIL_TWO, ">RCPT TO:<r2@y>"
#define QUITS ">QUIT"

struct run {
	struct smtp_client *cl;
	struct buf events, output, expected_events, expected_output;
	size_t fed, cut; /* the octets from the peer are cut there; SIZE_MAX: after each one */
};

/* Each dialogue whole, octet by octet, and cut at every place. */
void dialogue_run_everywhere(const struct dialogue *d, size_t count);

/* Greeting and EHLO ("SIZE 10,DSN": each a line) done, events and output of them forgotten. */
void run_begin(struct run *r, enum smtp_client_tls tls, bool login, const char *offers);
void run_end(struct run *r);
void run_feed(struct run *r, struct span octets);
/* As a relay does: all events, then all output. */
void run_turn(struct run *r);
/* "3 8bit header binary maybe avoids size large utf8 domain from said strict null control dsn": how many
 * recipients, and what else. */
void run_message(struct run *r, const char *what);
/* The same, and more is to come. */
void run_mail(struct run *r, const char *what);
