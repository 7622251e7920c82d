/* sink: a smarthost that takes everything as fast as it can, and counts.
 *
 *	sink [-p PORT] [-t THREADS] [--chunking] [--delay MS] [--refuse-every N]
 *
 *	--chunking        offers CHUNKING and takes BDAT
 *	--delay MS        answers a content only after so long; other connections do not wait
 *	--refuse-every N  answers every Nth content with 451
 *
 * Prints "port N" when it listens; then, for each line that it reads from standard input, one line
 * of JSON: messages, octets, recipients, duplicates (by their X-Load-Id field), connections, and how
 * many of those are open. Ends with its input. Plain text, on the loopback address.
 */
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, PART_OCTETS = 131072, EVENTS = 256, IDS_MAX = 1 << 28 };

enum mode { IN_COMMANDS, IN_DATA, IN_CHUNK };

struct peer {
	struct peer *next; /* whose answer waits, the oldest first */
	int64_t due_ms;
	uint64_t chunk_left;
	int fd;
	enum mode mode;
	unsigned dot, recipients;
	bool is_in_head, has_content, is_last_chunk, waits, is_gone;
	struct line line, head;
	char *rest; /* what came while its answer waits */
	size_t rest_len, out_len;
	char out[2048];
};

struct worker {
	int epoll;
	struct peer *wait_first, **wait_last;
	char part[PART_OCTETS];
};

static struct {
	int port, threads, delay_ms;
	unsigned refuse_every;
	bool is_chunking;
} set = { .threads = 1 };

static struct {
	_Atomic uint64_t messages, octets, recipients, duplicates, connections, open, contents;
	_Atomic uint8_t *seen; /* one bit for each id; pages that no id falls on take no memory */
} total;

static struct worker workers[THREADS_MAX];
static int listener;

static void die(const char *what)
{
	fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void say(struct peer *p, const char *text)
{
	size_t n = strlen(text);

	if (p->out_len + n <= sizeof(p->out)) {
		memcpy(p->out + p->out_len, text, n);
		p->out_len += n;
	}
}

/* Ids are numbers counted from 1 by the load generator. */
static void note_id(const char *text)
{
	uint64_t id = strtoull(text, NULL, 10);
	uint8_t bit = (uint8_t)(1 << id % 8);

	if (id != 0 && id < IDS_MAX && (atomic_fetch_or(&total.seen[id / 8], bit) & bit))
		total.duplicates++;
}

static void content_begin(struct peer *p)
{
	p->has_content = p->is_in_head = true;
	p->dot = DOT_START;
	p->head.len = 0;
	p->head.is_whole = false;
}

static void content_answer(struct peer *p)
{
	bool is_refused = set.refuse_every && ++total.contents % set.refuse_every == 0;

	if (is_refused) {
		say(p, "451 4.3.0 refused as asked\r\n");
	} else {
		total.messages++;
		total.recipients += p->recipients;
		say(p, "250 2.0.0 taken\r\n");
	}
	p->recipients = 0;
}

static void content_end(struct worker *w, struct peer *p)
{
	p->mode = IN_COMMANDS;
	p->has_content = false;
	if (set.delay_ms == 0) {
		content_answer(p);
		return;
	}
	p->due_ms = now_ms() + set.delay_ms;
	p->next = NULL;
	p->waits = true;
	*w->wait_last = p;
	w->wait_last = &p->next;
}

/* Looks for the id in the header section; past it, nothing is looked at but the end. */
static void head_take(struct peer *p, const char *at, size_t n)
{
	while (n && p->is_in_head) {
		size_t part = line_take(&p->head, at, n);
		bool is_id;

		at += part;
		n -= part;
		if (!p->head.is_whole)
			return;
		is_id = strncasecmp(p->head.text, "X-Load-Id: ", 11) == 0;
		if (is_id)
			note_id(p->head.text + 11);
		p->is_in_head = !is_id && p->head.len;
	}
}

static size_t data_take(struct worker *w, struct peer *p, const char *at, size_t n)
{
	size_t part = dot_take(&p->dot, at, n);

	head_take(p, at, part);
	if (p->dot == DOT_END)
		content_end(w, p);
	return part;
}

static void chunk_end(struct worker *w, struct peer *p)
{
	p->mode = IN_COMMANDS;
	if (p->is_last_chunk)
		content_end(w, p);
	else
		say(p, "250 2.0.0 go on\r\n");
}

static size_t chunk_take(struct worker *w, struct peer *p, const char *at, size_t n)
{
	size_t part = p->chunk_left < n ? (size_t)p->chunk_left : n;

	head_take(p, at, part);
	p->chunk_left -= part;
	if (p->chunk_left == 0)
		chunk_end(w, p);
	return part;
}

static void bdat(struct worker *w, struct peer *p)
{
	char *rest;

	p->chunk_left = strtoull(p->line.text + 5, &rest, 10);
	p->is_last_chunk = strcasecmp(rest, " LAST") == 0;
	if (!p->has_content)
		content_begin(p);
	p->mode = IN_CHUNK;
	if (p->chunk_left == 0)
		chunk_end(w, p);
}

static void ehlo(struct peer *p)
{
	say(p, "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
	       "250-SMTPUTF8\r\n250-DSN\r\n");
	if (set.is_chunking)
		say(p, "250-CHUNKING\r\n");
	say(p, "250 ENHANCEDSTATUSCODES\r\n");
}

static void start_over(struct peer *p)
{
	p->recipients = 0;
	p->has_content = false;
	say(p, "250 2.0.0 ok\r\n");
}

/* False: the peer said QUIT. */
static bool command(struct worker *w, struct peer *p)
{
	const char *line = p->line.text;

	if (strncasecmp(line, "RCPT", 4) == 0) {
		p->recipients++;
		say(p, "250 2.1.5 ok\r\n");
	} else if (strncasecmp(line, "MAIL", 4) == 0 || strncasecmp(line, "RSET", 4) == 0) {
		start_over(p);
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		content_begin(p);
		p->mode = IN_DATA;
		say(p, "354 go on\r\n");
	} else if (set.is_chunking && strncasecmp(line, "BDAT ", 5) == 0) {
		bdat(w, p);
	} else if (strncasecmp(line, "EHLO", 4) == 0) {
		ehlo(p);
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		say(p, "221 2.0.0 bye\r\n");
		return false;
	} else {
		say(p, "250 2.0.0 ok\r\n");
	}
	return true;
}

static void keep_rest(struct peer *p, const char *at, size_t n)
{
	p->rest = malloc(n);
	if (p->rest == NULL)
		die("memory");
	memcpy(p->rest, at, n);
	p->rest_len = n;
}

static bool take(struct worker *w, struct peer *p, const char *at, size_t n)
{
	while (n && !p->waits) {
		size_t part;

		if (p->mode == IN_DATA)
			part = data_take(w, p, at, n);
		else if (p->mode == IN_CHUNK)
			part = chunk_take(w, p, at, n);
		else
			part = line_take(&p->line, at, n);
		at += part;
		n -= part;
		if (p->line.is_whole) {
			p->line.is_whole = false;
			p->line.len = 0;
			if (!command(w, p))
				return false;
		}
	}
	if (n)
		keep_rest(p, at, n);
	return true;
}

static void watch(struct worker *w, struct peer *p, int what, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = p };

	if (epoll_ctl(w->epoll, what, p->fd, &e) < 0)
		die("epoll_ctl");
}

static bool flush(struct peer *p)
{
	size_t n = p->out_len;

	p->out_len = 0;
	return n == 0 || send(p->fd, p->out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Hears nothing of a peer until it has its answer. */
static bool serve(struct worker *w, struct peer *p, const char *at, size_t n)
{
	bool did_wait = p->waits, goes_on = take(w, p, at, n);

	if (goes_on && p->waits && !did_wait)
		watch(w, p, EPOLL_CTL_MOD, 0);
	return flush(p) && goes_on;
}

static void peer_free(struct peer *p)
{
	close(p->fd);
	free(p->rest);
	free(p);
	total.open--;
}

static void hear(struct worker *w, struct peer *p)
{
	ssize_t n;

	if (p->waits) { /* only a hang-up can be heard; it is freed when its answer is due */
		p->is_gone = true;
		epoll_ctl(w->epoll, EPOLL_CTL_DEL, p->fd, NULL);
		return;
	}
	n = recv(p->fd, w->part, sizeof(w->part), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		total.octets += (uint64_t)n;
	if (n <= 0 || !serve(w, p, w->part, (size_t)n))
		peer_free(p);
}

static void answer_peer(struct worker *w, struct peer *p)
{
	char *rest = p->rest;
	size_t n = p->rest_len;

	p->rest = NULL;
	p->rest_len = 0;
	p->waits = false;
	content_answer(p);
	if (p->is_gone || !serve(w, p, rest, n))
		peer_free(p);
	else if (!p->waits)
		watch(w, p, EPOLL_CTL_MOD, EPOLLIN);
	free(rest);
}

/* Answers what is due; says how long the next may wait. */
static int answer_due(struct worker *w)
{
	int64_t now = w->wait_first ? now_ms() : 0;

	while (w->wait_first && w->wait_first->due_ms <= now) {
		struct peer *p = w->wait_first;

		w->wait_first = p->next;
		if (w->wait_first == NULL)
			w->wait_last = &w->wait_first;
		answer_peer(w, p);
	}
	return w->wait_first ? (int)(w->wait_first->due_ms - now) : -1;
}

static void accept_peers(void)
{
	static unsigned turn;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));

		if (p == NULL)
			die("memory");
		p->fd = fd;
		total.connections++;
		total.open++;
		say(p, "220 sink.test ESMTP\r\n");
		if (flush(p))
			watch(&workers[turn++ % (unsigned)set.threads], p, EPOLL_CTL_ADD, EPOLLIN);
		else
			peer_free(p);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(w->epoll, events, EVENTS, answer_due(w));

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				accept_peers();
			else
				hear(w, events[i].data.ptr);
		}
	}
	return NULL;
}

static void listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(at);
	int yes = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	/* What is accepted inherits it. */
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 4096) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		die("listen");
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
}

/* The first thread accepts for all; each connection belongs to one. */
static void start(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
	pthread_t thread;

	for (int i = 0; i < set.threads; i++) {
		workers[i].epoll = epoll_create1(0);
		workers[i].wait_last = &workers[i].wait_first;
		if (workers[i].epoll < 0)
			die("epoll");
	}
	if (epoll_ctl(workers[0].epoll, EPOLL_CTL_ADD, listener, &e) < 0)
		die("epoll_ctl");
	for (int i = 0; i < set.threads; i++)
		if (pthread_create(&thread, NULL, work, &workers[i]) != 0)
			die("thread");
}

static void report(void)
{
	printf("{\"messages\": %llu, \"octets\": %llu, \"recipients\": %llu, \"duplicates\": %llu, "
	       "\"connections\": %llu, \"open\": %llu}\n",
	       (unsigned long long)total.messages, (unsigned long long)total.octets,
	       (unsigned long long)total.recipients, (unsigned long long)total.duplicates,
	       (unsigned long long)total.connections, (unsigned long long)total.open);
	fflush(stdout);
}

static int parse(int argc, char **argv)
{
	static const struct option words[] = { { "chunking", no_argument, NULL, 'c' },
					       { "delay", required_argument, NULL, 'd' },
					       { "refuse-every", required_argument, NULL, 'r' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "p:t:", words, NULL)) != -1) {
		if (c == 'p')
			set.port = atoi(optarg);
		else if (c == 't')
			set.threads = atoi(optarg);
		else if (c == 'c')
			set.is_chunking = true;
		else if (c == 'd')
			set.delay_ms = atoi(optarg);
		else if (c == 'r')
			set.refuse_every = (unsigned)atoi(optarg);
		else
			return -1;
	}
	return optind == argc && set.threads > 0 && set.threads <= THREADS_MAX ? 0 : -1;
}

int main(int argc, char **argv)
{
	char line[256];

	if (parse(argc, argv) < 0) {
		fprintf(stderr, "usage: sink [-p PORT] [-t THREADS] [--chunking] [--delay MS] "
				"[--refuse-every N]\n");
		return 64;
	}
	total.seen = calloc(IDS_MAX / 8, 1);
	if (total.seen == NULL)
		die("memory");
	signal(SIGPIPE, SIG_IGN);
	listen_on(set.port);
	start();
	while (fgets(line, sizeof(line), stdin))
		report();
	_exit(0); /* the threads are within their work */
}
