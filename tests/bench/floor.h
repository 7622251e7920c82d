/* floor.h: the parts of the floor.
 *
 *	floor.c		options, threads, who comes in
 *	floor_client.c	a client's connection
 *	floor_hop.c	a connection to the smarthost
 */
#pragma once
#include "text.h"
#include "wire.h"

#include <sys/queue.h>

enum { THREADS_MAX = 64, EVENTS = 256, PART_OCTETS = 16384, ENVELOPE_OCTETS = 2048 };

struct thread;

/* What stands first in all that epoll knows. */
struct party {
	void (*event)(struct party *p, uint32_t events);
	struct thread *thread;
	struct wire wire;
};

enum client_state { CLIENT_COMMANDS, CLIENT_SHAKING, CLIENT_LOGIN, CLIENT_CONTENT, CLIENT_WAITS };

struct client {
	struct party party;
	struct hop *hop; /* from DATA to the answer */
	TAILQ_ENTRY(client) entry;
	enum client_state state;
	bool is_over, is_waiting; /* for a hop */
	unsigned dot, recipients;
	struct line line;
	size_t envelope_len, early_len;
	char *early; /* what came while it waits */
	char envelope[ENVELOPE_OCTETS];
};

/* A connection to the smarthost. */
struct hop {
	struct party party;
	LIST_ENTRY(hop) entry;
	struct client *client; /* NULL: idle */
	enum { HOP_GREETING, HOP_EHLO, HOP_READY, HOP_ENVELOPE, HOP_CONTENT } state;
	unsigned replies; /* of the envelope still to come, that of DATA last */
	struct line line;
};

LIST_HEAD(hops, hop);
TAILQ_HEAD(clients, client);

struct thread {
	int epoll;
	struct hops idle;
	struct clients waiting; /* each for a hop */
	unsigned hops, hops_most; /* 0: no limit */
	struct wire_room room;
	size_t said;
	char says[4096], part[PART_OCTETS];
};

struct settings {
	int threads;
	unsigned hops_most; /* of all threads; 0: no limit */
	bool passes_on, is_implicit, has_tickets, has_one_ticket;
	struct sockaddr_storage smarthost;
	gnutls_certificate_credentials_t own;
	gnutls_priority_t priority;
	gnutls_datum_t ticket_key;
};

extern struct settings set;

void die(const char *what, const char *why);
void *need(void *memory);

/* floor_client.c */

struct client *client_new(struct thread *t, int fd);
void client_close(struct client *c);

/* What the smarthost says to DATA, or to the content. */
void client_go_on(struct client *c, const char *reply);

/* floor_hop.c */

/* Begins the transaction of this client; then client_go_on(), or client_close() if it fails. */
void hop_take(struct client *c);
void hop_forget(struct client *c); /* it waits for one no longer */
void hop_close(struct hop *h);
