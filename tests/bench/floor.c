/* floor: what a submission server costs at the least: SMTP over epoll and GnuTLS, and nothing else.
 *
 *	floor [-t THREADS] [-f HOST:PORT] [-c N] [-i] [-T] [-r] CERTIFICATE KEY
 *
 *	-f  passes each message on to this smarthost, over plain connections that are kept, and answers
 *	    when the smarthost has; otherwise drops it
 *	-c  at most so many connections to the smarthost, dealt out to the threads, one at least to each:
 *	    clients wait for one at DATA, in their order; otherwise as many as there are clients
 *	-i  TLS from the first octet; otherwise STARTTLS
 *	-T  has a ticket key, so that sessions are resumed, and sends tickets as GnuTLS does by itself
 *	-r  the same with one ticket for each handshake
 *
 * Prints "port N". Any AUTH PLAIN is taken, every envelope and every content. No policy, no log, no
 * spool; GnuTLS with its own defaults. Each connection belongs to one thread.
 */
#include "floor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct settings set = { .threads = 1 };

static struct thread *threads;
static int listener;

void die(const char *what, const char *why)
{
	fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(1);
}

void *need(void *memory)
{
	if (memory == NULL)
		die("memory", "none left");
	return memory;
}

static void accept_clients(struct party *of, uint32_t events)
{
	static unsigned turn;
	int fd;

	(void)of;
	(void)events;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct thread *t = &threads[turn++ % (unsigned)set.threads];
		struct client *c = client_new(t, fd);

		/* Once epoll knows it, it is its thread's. */
		if (wire_watch(&c->party.wire, t->epoll, c) < 0)
			die("epoll", strerror(errno));
	}
}

static void *work(void *arg)
{
	struct epoll_event events[EVENTS];
	struct thread *t = arg;

	for (;;) {
		int n = epoll_wait(t->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct party *p = events[i].data.ptr;

			p->event(p, events[i].events);
		}
	}
	return NULL;
}

static unsigned share_of_hops(unsigned index)
{
	unsigned count = (unsigned)set.threads;
	unsigned share = set.hops_most / count + (index < set.hops_most % count);

	return share == 0 && set.hops_most ? 1 : share;
}

static void start(void)
{
	static struct party door = { .event = accept_clients };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &door };
	pthread_t thread;

	threads = need(calloc((size_t)set.threads, sizeof(*threads)));
	for (int i = 0; i < set.threads; i++) {
		threads[i].epoll = epoll_create1(EPOLL_CLOEXEC);
		threads[i].hops_most = share_of_hops((unsigned)i);
		TAILQ_INIT(&threads[i].waiting);
	}
	if (epoll_ctl(threads[0].epoll, EPOLL_CTL_ADD, listener, &e) < 0)
		die("epoll", strerror(errno));
	for (int i = 1; i < set.threads; i++)
		if (pthread_create(&thread, NULL, work, &threads[i]) != 0)
			die("thread", strerror(errno));
	work(&threads[0]);
}

static void prepare(const char *certificate, const char *key)
{
	int rc;

	gnutls_priority_init(&set.priority, NULL, NULL);
	gnutls_certificate_allocate_credentials(&set.own);
	rc = gnutls_certificate_set_x509_key_file(set.own, certificate, key, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		die(certificate, gnutls_strerror(rc));
	gnutls_session_ticket_key_generate(&set.ticket_key);
}

static bool parse_smarthost(char *text)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL)
		return false;
	*colon = '\0';
	set.passes_on = true;
	return wire_address(&set.smarthost, text, atoi(colon + 1)) == 0;
}

static bool parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "t:f:c:iTr")) != -1) {
		if (c == 't')
			set.threads = atoi(optarg);
		else if (c == 'f' && !parse_smarthost(optarg))
			return false;
		else if (c == 'c')
			set.hops_most = (unsigned)atoi(optarg);
		else if (c == 'i')
			set.is_implicit = true;
		else if (c == 'T')
			set.has_tickets = true;
		else if (c == 'r')
			set.has_one_ticket = true;
		else if (c == '?')
			return false;
	}
	return argc - optind == 2 && set.threads > 0 && set.threads <= THREADS_MAX;
}

int main(int argc, char **argv)
{
	int port = 0;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: floor [-t THREADS] [-f HOST:PORT] [-c N] [-i] [-T] [-r] "
				"CERTIFICATE KEY\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	prepare(argv[optind], argv[optind + 1]);
	listener = wire_listen(&port);
	if (listener < 0)
		die("listen", strerror(-listener));
	printf("port %d\n", port);
	fflush(stdout);
	start();
	return 0;
}
