/* dialogue.h: tables of sessions, each said whole, octet by octet, and split at every position.
 */
#pragma once

#include "session.h"

enum start { AT_TLS, LOGGED_IN, AT_PLAIN, LENIENT_LF };

struct dialogue {
	const char *name;
	enum start start;
	const char *say[12]; /* groups of octets; each waits for the replies to the one before */
	const char *codes, *events;
	const char *content; /* NULL: none */
	void (*adjust)(struct smtp_server_conf *conf);
};

#define MAIL_OK "MAIL FROM:<a@example.com>\r\n"
#define RCPT_OK "RCPT TO:<b@example.net>\r\n"

void dialogues_check(const struct dialogue *dialogues, size_t count);
