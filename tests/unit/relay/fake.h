/* tests/unit/relay/fake.h: a smarthost on loopback that says what a test wants it to say.
 *
 * Shape    fake_start -> (connections are served on threads of their own) -> fake_stop
 * Thread   answer() runs on a connection's thread; everything else under the fake's lock
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum fake_tls { FAKE_PLAIN, FAKE_STARTTLS, FAKE_IMPLICIT };

/* What answer() may give in place of a reply. */
extern const char FAKE_CLOSE[], FAKE_RESET[], FAKE_STALL[], FAKE_NOTHING[];

struct fake;

struct fake_talk {
	struct fake *fake;
	unsigned connection; /* 1: the first */
	unsigned messages;   /* MAIL seen on this connection */
	unsigned recipients; /* RCPT seen in this message */
	bool is_secure;
};

/* line: a command without its end; "" for the greeting, "." for the end of a message. A BDAT is told
 * when its octets are here; answered 500 it is not known, and they are read as commands. NULL: the usual
 * reply. Several lines are joined by CRLF, without the last one. */
typedef const char *fake_answer(const struct fake_talk *talk, const char *line);

struct fake_message {
	unsigned connection;
	char *sender, *recipients; /* recipients: "a@b c@d" */
	char *mail;		   /* the command */
	bool by_bdat;
	char *content; /* without dot-stuffing */
	size_t octets;
};

enum { FAKE_MESSAGES_MOST = 4096, FAKE_TALKS_MOST = 4096 };

struct fake {
	enum fake_tls tls;
	const char *chain, *key; /* PEM files */
	const char *offers;	 /* further lines of EHLO, "250-PIPELINING\r\n250-8BITMIME\r\n" */
	_Atomic(fake_answer *) answer;
	int port;
	int fd;
	bool is_stopping;
	pthread_mutex_t lock;
	pthread_t accepting;
	pthread_t talks[FAKE_TALKS_MOST];
	int talk_fds[FAKE_TALKS_MOST]; /* -1: closed */
	_Atomic unsigned connections, open, most_open, quits, starts_of_body, chunks;
	struct fake_message messages[FAKE_MESSAGES_MOST];
	_Atomic unsigned message_count;
};

void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);
/* A port of loopback where nobody listens. */
int fake_closed_port(void);
/* chain and key into files below dir; for host. */
void fake_certificate(const char *dir, const char *name, const char *host);
