/* load.h: the parts of the load generator.
 *
 *	load.c		options, the threads, the report
 *	load_work.c	a thread: its epoll, what it begins when
 *	load_link.c	a connection: its SMTP and TLS
 *	load_time.c	the clock, and percentiles
 *	load_slices.c	the same for each slice of time
 *
 * A link belongs to one worker (thread) for all its life. Times are in us of the monotonic clock.
 */
#pragma once
#include "text.h"
#include "wire.h"

#include <stdatomic.h>
#include <sys/queue.h>

enum { TICK_US = 100000, LATE_US = 100000, SILENCE_US = 120000000, CLOSING_US = 5000000 };
enum { OPENING_MOST = 128, MIX_MOST = 16, PIECE_OCTETS = 98304, TEXT_OCTETS = 16384 };

/* load_time.c */

int64_t now_us(void);

/* How often each value came, within 0.8 %. */
struct figures {
	uint64_t count;
	uint32_t max;
	uint32_t of[28 * 128];
};

void figures_add(struct figures *f, int64_t us);
void figures_merge(struct figures *into, const struct figures *f);
uint32_t figures_at(const struct figures *f, double share);

/* load_slices.c
 *
 * A processor that is taken away for some ms spoils the p99 of all messages and that of one slice:
 * the median over slices is what the server does. Only where messages are due at even times.
 */

enum { SLICE_US = 250000, SLICE_MESSAGES = 100 };

void slices_init(void);
void slices_fini(void);
void slices_add(unsigned number, int64_t us);
void slices_print(void);

/* load.c */

struct settings {
	unsigned connections, threads, messages, first_id, recipients, sources, users, pause_ms;
	double seconds, rate, slow_share;
	unsigned slow_rate, mix_count;
	struct {
		size_t octets;
		double until; /* of 1, sums of the weights so far */
	} mix[MIX_MOST];
	size_t octets_most;
	bool is_one_each, resumes, is_implicit, is_pipelined, is_idle, waits_for_word, keeps_going;
	const char *user, *ca_file, *priority;
	struct sockaddr_storage address;
};

/* Fixed once the threads run, but for what is atomic. */
struct everything {
	char **logins;		    /* the AUTH lines */
	char **rcpts, *behind_mail; /* the latter: all of them, and DATA */
	char *filler; /* octets_most of content and the final dot; counted from its end */
	gnutls_certificate_credentials_t trust;
	gnutls_priority_t priority;
	int64_t begun_us;
	_Atomic unsigned next, user_turn, source_turn;
	char first_failure[400];
};

extern struct settings set;
extern struct everything all;

/* Only the first is kept. */
void tell_failure(const char *what, const char *words);

/* load_link.c */

#define LINK_STATES(X)                                                                             \
	X(CLOSED, "connect", "")                                                                   \
	X(GREETING, "the greeting", "220")                                                         \
	X(EHLO, "EHLO", "250")                                                                     \
	X(STARTTLS, "STARTTLS", "220")                                                             \
	X(SHAKING, "handshake", "")                                                                \
	X(AUTH, "AUTH", "235")                                                                     \
	X(READY, "while idle", "")                                                                 \
	X(MAIL, "MAIL", "250")                                                                     \
	X(RCPT, "RCPT", "250")                                                                     \
	X(DATA, "DATA", "354")                                                                     \
	X(CONTENT, "the content", "250")                                                           \
	X(NOOP, "NOOP", "250")                                                                     \
	X(QUIT, "QUIT", "221")

enum link_state {
#define X(name, words, code) LINK_##name,
	LINK_STATES(X)
#undef X
};

TAILQ_HEAD(links, link);

struct link {
	struct wire wire;
	struct worker *worker;
	TAILQ_ENTRY(link) entry;
	struct links *queue; /* where it waits, or NULL */
	int64_t due_us;	     /* when its turn in a queue of pauses comes */
	int64_t dialled_us, message_us;
	size_t left; /* of the content */
	enum link_state state;
	unsigned number, recipients;
	bool is_slow, has_message, is_opening, is_settled;
	gnutls_datum_t ticket; /* what the next connection resumes */
	struct line line;
};

/* Each ends in one of the calls of the worker below. */
void link_open(struct link *l);
void link_begin(struct link *l); /* its message, on a connection that is ready */
void link_noop(struct link *l);
void link_quit(struct link *l);
void link_tick(struct link *l); /* the next piece of a slow content */
void link_event(struct link *l, uint32_t events);
void link_drop(struct link *l);

/* load_work.c */

enum ending { ENDED_IN_ORDER, ENDED_REFUSED, ENDED_FAILED };

struct worker {
	struct wire_room room;
	int epoll;
	unsigned index, link_count, settled, opening, open, alive, under_way, begun;
	bool is_running, is_closing;
	struct link *links;
	struct links unopened, ready, resting, slow;
	unsigned messages, failures, refused, resumed, late;
	int64_t last_us;
	struct figures latency, connect, refuse;
	gnutls_datum_t known; /* a certificate that was found good */
	char text[TEXT_OCTETS], part[4096];
};

void work_open(struct link *l);	 /* it has logged in */
void work_ready(struct link *l); /* it waits for work */
void work_sent(struct link *l);	 /* its message was taken, or its NOOP answered */
void work_rests(struct link *l); /* a slow content, until link_tick() */
void work_ended(struct link *l, enum ending how);

void worker_init(struct worker *w, unsigned index);
void worker_fini(struct worker *w);

/* Opens what is kept open; then works, or asks for life; then closes. */
void worker_open(struct worker *w);
void worker_work(struct worker *w);
void worker_noop(struct worker *w);
void worker_close(struct worker *w);
