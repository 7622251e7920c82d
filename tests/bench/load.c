/* load: sends messages over many connections at once: STARTTLS or TLS, AUTH PLAIN, MAIL, RCPT, DATA.
 *
 *	load [-c CONNECTIONS] [-n MESSAGES] [-s OCTETS] [-1] [-i] [-p] [-f FIRST-ID] [-u USER] [-a CA-FILE]
 *	     ADDRESS PORT
 *
 *	-1  a new connection for each message; otherwise connections are kept open
 *	-i  TLS from the first octet; otherwise STARTTLS
 *	-p  MAIL, RCPT and DATA in one go
 *
 * The password comes from the environment, LOAD_PASSWORD. Prints one line of JSON. Latency is what a
 * user waits: from MAIL to the 250 of the content, with -1 from connecting.
 *
 * One thread a connection, blocking: plain to read, and light beside what it measures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
	unsigned connections, messages, first_id;
	size_t octets;
	bool is_one_each, is_implicit, is_pipelined;
	const char *user, *ca_file, *address;
	int port;
} set = { .connections = 50, .messages = 5000, .first_id = 1, .octets = 4096, .user = "alice" };

static struct {
	pthread_barrier_t start;
	_Atomic unsigned next, failures;
	_Atomic bool has_told;
	uint32_t *latency_us; /* by message */
	char *login;	      /* the AUTH line */
	char *filler;
	gnutls_certificate_credentials_t trust;
} all;

struct link {
	int fd;
	gnutls_session_t tls;
	size_t len;
	char in[8192];
	char error[256];
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool fail(struct link *l, const char *what, const char *words)
{
	snprintf(l->error, sizeof(l->error), "%s: %.200s", what, words);
	return false;
}

static bool put(struct link *l, const char *at, size_t n)
{
	while (n) {
		ssize_t part = l->tls ? gnutls_record_send(l->tls, at, n)
				      : send(l->fd, at, n, MSG_NOSIGNAL);

		if (part == GNUTLS_E_AGAIN || part == GNUTLS_E_INTERRUPTED)
			continue;
		if (part <= 0)
			return fail(l, "send",
				    l->tls ? gnutls_strerror((int)part) : strerror(errno));
		at += part;
		n -= (size_t)part;
	}
	return true;
}

static bool get(struct link *l)
{
	ssize_t part;

	if (l->len == sizeof(l->in) - 1)
		return fail(l, "reply", "too long");
	do {
		part = l->tls ? gnutls_record_recv(l->tls, l->in + l->len,
						   sizeof(l->in) - 1 - l->len)
			      : recv(l->fd, l->in + l->len, sizeof(l->in) - 1 - l->len, 0);
	} while (l->tls && (part == GNUTLS_E_AGAIN || part == GNUTLS_E_INTERRUPTED));
	if (part <= 0)
		return fail(l, "receive", part ? "error" : "the server closed the connection");
	l->len += (size_t)part;
	return true;
}

/* Reads one reply whole; whether its code is the wanted one. */
static bool expect(struct link *l, const char *code)
{
	for (;;) {
		char *lf = memchr(l->in, '\n', l->len);
		bool is_last;

		if (lf == NULL) {
			if (!get(l))
				return false;
			continue;
		}
		is_last = lf - l->in >= 4 && l->in[3] != '-';
		if (is_last && strncmp(l->in, code, 3) != 0) {
			*lf = '\0';
			return fail(l, code, l->in);
		}
		l->len -= (size_t)(lf + 1 - l->in);
		memmove(l->in, lf + 1, l->len);
		if (is_last)
			return true;
	}
}

static bool ask(struct link *l, const char *line, const char *code)
{
	return put(l, line, strlen(line)) && expect(l, code);
}

static bool start_tls(struct link *l)
{
	int rc;

	gnutls_init(&l->tls, GNUTLS_CLIENT);
	gnutls_set_default_priority(l->tls);
	gnutls_credentials_set(l->tls, GNUTLS_CRD_CERTIFICATE, all.trust);
	if (set.ca_file)
		gnutls_session_set_verify_cert(l->tls, NULL, 0);
	gnutls_transport_set_int(l->tls, l->fd);
	do
		rc = gnutls_handshake(l->tls);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	return rc < 0 ? fail(l, "handshake", gnutls_strerror(rc)) : true;
}

static bool dial(struct link *l)
{
	bool is_v6 = strchr(set.address, ':') != NULL;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)set.port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)set.port) };
	int yes = 1;

	inet_pton(is_v6 ? AF_INET6 : AF_INET, set.address,
		  is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr);
	l->fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(l->fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
		    is_v6 ? sizeof(v6) : sizeof(v4)) < 0)
		return fail(l, "connect", strerror(errno));
	return true;
}

static bool link_open(struct link *l)
{
	*l = (struct link){ .fd = -1 };
	if (!dial(l) || (set.is_implicit && !start_tls(l)) || !expect(l, "220") ||
	    !ask(l, "EHLO load.test\r\n", "250"))
		return false;
	if (!set.is_implicit && (!ask(l, "STARTTLS\r\n", "220") || !start_tls(l) ||
				 !ask(l, "EHLO load.test\r\n", "250")))
		return false;
	return ask(l, all.login, "235");
}

static void link_close(struct link *l, bool in_order)
{
	if (in_order && ask(l, "QUIT\r\n", "221") && l->tls)
		gnutls_bye(l->tls, GNUTLS_SHUT_WR);
	if (l->tls)
		gnutls_deinit(l->tls);
	if (l->fd >= 0)
		close(l->fd);
	l->tls = NULL;
	l->fd = -1;
}

static bool put_content(struct link *l, unsigned number)
{
	static const char head[] = "From: Load <load@example.com>\r\nTo: sink@example.org\r\n"
				   "Subject: load\r\nDate: Sat, 21 Nov 2026 22:00:00 +0000\r\n";
	char text[16384];
	int n = snprintf(text, sizeof(text),
			 "%sMessage-ID: <%u@load.test>\r\nX-Load-Id: %u\r\n\r\n", head,
			 set.first_id + number, set.first_id + number);
	size_t body = set.octets > (size_t)n ? set.octets - (size_t)n : 0;

	body -= body % 72 == 1; /* it would begin within a line end */
	if ((size_t)n + body + 3 <= sizeof(text)) {
		memcpy(text + n, all.filler + set.octets - body, body);
		memcpy(text + n + body, ".\r\n", 3);
		return put(l, text, (size_t)n + body + 3);
	}
	return put(l, text, (size_t)n) && put(l, all.filler + set.octets - body, body) &&
	       put(l, ".\r\n", 3);
}

static bool message(struct link *l, unsigned number)
{
	static const char mail[] = "MAIL FROM:<load@example.com>\r\n",
			  rcpt[] = "RCPT TO:<sink@example.org>\r\n";

	if (set.is_pipelined) {
		if (!ask(l,
			 "MAIL FROM:<load@example.com>\r\nRCPT TO:<sink@example.org>\r\nDATA\r\n",
			 "250") ||
		    !expect(l, "250") || !expect(l, "354"))
			return false;
	} else if (!ask(l, mail, "250") || !ask(l, rcpt, "250") || !ask(l, "DATA\r\n", "354")) {
		return false;
	}
	return put_content(l, number) && expect(l, "250");
}

static void tell(const struct link *l)
{
	atomic_fetch_add(&all.failures, 1);
	if (!atomic_exchange(&all.has_told, true))
		fprintf(stderr, "load: first failure: %s\n", l->error);
}

static void *one_each(void *arg)
{
	struct link l;
	unsigned number;

	(void)arg;
	pthread_barrier_wait(&all.start);
	while ((number = atomic_fetch_add(&all.next, 1)) < set.messages) {
		int64_t begun = now_us();
		bool ok = link_open(&l) && message(&l, number);

		if (ok)
			all.latency_us[number] = (uint32_t)(now_us() - begun);
		else
			tell(&l);
		link_close(&l, ok);
	}
	return NULL;
}

static void *kept_open(void *arg)
{
	struct link l;
	bool ok = link_open(&l);
	unsigned number;

	(void)arg;
	if (!ok)
		tell(&l);
	pthread_barrier_wait(&all.start);
	while (ok && (number = atomic_fetch_add(&all.next, 1)) < set.messages) {
		int64_t begun = now_us();

		ok = message(&l, number);
		if (ok)
			all.latency_us[number] = (uint32_t)(now_us() - begun);
		else
			tell(&l);
	}
	link_close(&l, ok);
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(double seconds)
{
	unsigned done = 0;

	for (unsigned i = 0; i < set.messages; i++)
		if (all.latency_us[i])
			all.latency_us[done++] = all.latency_us[i];
	qsort(all.latency_us, done, sizeof(*all.latency_us), by_size);
	printf("{\"messages\": %u, \"failures\": %u, \"seconds\": %.3f, \"per_second\": %.1f, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
	       done, all.failures, seconds, done / seconds, done ? all.latency_us[done / 2] : 0,
	       done ? all.latency_us[done - 1 - done / 100] : 0,
	       done ? all.latency_us[done - 1] : 0);
}

static void prepare(void)
{
	const char *password = getenv("LOAD_PASSWORD");
	char plain[512];
	gnutls_datum_t raw, coded;
	int n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, set.user, 0,
			 password ? password : "secret");

	if (n < 0 || (size_t)n >= sizeof(plain))
		exit(64);
	raw = (gnutls_datum_t){ (unsigned char *)plain, (unsigned)n };
	gnutls_base64_encode2(&raw, &coded);
	if (asprintf(&all.login, "AUTH PLAIN %.*s\r\n", (int)coded.size, coded.data) < 0)
		exit(71);
	gnutls_free(coded.data);
	gnutls_certificate_allocate_credentials(&all.trust);
	if (set.ca_file && gnutls_certificate_set_x509_trust_file(all.trust, set.ca_file,
								  GNUTLS_X509_FMT_PEM) < 1) {
		fprintf(stderr, "load: %s: no certificate\n", set.ca_file);
		exit(66);
	}
	all.latency_us = calloc(set.messages, sizeof(*all.latency_us));
	all.filler = malloc(set.octets + 1);
	if (all.latency_us == NULL || all.filler == NULL)
		exit(71);
	/* Counted from its end, which is what is sent: the content ends with a line end. */
	for (size_t i = 0; i < set.octets; i++)
		all.filler[i] = "\nx\r"[(set.octets - i) % 72 == 1   ? 0
					: (set.octets - i) % 72 == 2 ? 2
								     : 1];
}

static int parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:n:s:1ipf:u:a:")) != -1) {
		switch (c) {
		case 'c':
			set.connections = (unsigned)atoi(optarg);
			break;
		case 'n':
			set.messages = (unsigned)atoi(optarg);
			break;
		case 's':
			set.octets = (size_t)atol(optarg);
			break;
		case '1':
			set.is_one_each = true;
			break;
		case 'i':
			set.is_implicit = true;
			break;
		case 'p':
			set.is_pipelined = true;
			break;
		case 'f':
			set.first_id = (unsigned)atoi(optarg);
			break;
		case 'u':
			set.user = optarg;
			break;
		case 'a':
			set.ca_file = optarg;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind != 2 || set.connections == 0 || set.messages == 0)
		return -1;
	set.address = argv[optind];
	set.port = atoi(argv[optind + 1]);
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t *threads;
	pthread_attr_t attr;
	int64_t begun;

	if (parse(argc, argv) < 0) {
		fprintf(stderr,
			"usage: load [-c CONNECTIONS] [-n MESSAGES] [-s OCTETS] [-1] [-i] [-p] "
			"[-f FIRST-ID] [-u USER] [-a CA-FILE] ADDRESS PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	prepare();
	threads = calloc(set.connections, sizeof(*threads));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_barrier_init(&all.start, NULL, set.connections + 1);
	for (unsigned i = 0; i < set.connections; i++)
		if (pthread_create(&threads[i], &attr, set.is_one_each ? one_each : kept_open,
				   NULL))
			return 71;
	pthread_barrier_wait(&all.start);
	begun = now_us();
	for (unsigned i = 0; i < set.connections; i++)
		pthread_join(threads[i], NULL);
	report((double)(now_us() - begun) / 1e6);
	return all.failures ? 1 : 0;
}
