/* load: sends messages over many connections at once: TLS, AUTH PLAIN, MAIL, RCPT, DATA.
 *
 *	load [OPTION...] ADDRESS PORT
 *
 *	-c N		connections (50)
 *	-n N		messages (5000)
 *	-d SECONDS	begins messages for so long, instead of -n
 *	-s OCTETS	size of a message (4096), or a mix: OCTETS:WEIGHT,..., the same at each run; MAIL says it
 *			(SIZE=), as mail clients do
 *	-1		a connection for each message; otherwise connections are kept open
 *	-R		with -1: each connection resumes the TLS session of the one before it in its place
 *	-i		TLS from the first octet; otherwise STARTTLS
 *	-p		MAIL, RCPT and DATA in one go
 *	-r N		recipients a message (1)
 *	-q RATE		open loop: messages a second in all, due at even times whatever the server does
 *	-w RATE:SHARE	that share of the connections sends its content at RATE octets a second; their
 *			latency is not counted
 *	-I		opens and logs in, prints "ready {...}", stays idle until standard input ends; then a
 *			NOOP on each, which counts as a message
 *	-W		opens and logs in, prints "ready {...}", begins at the first line of standard input
 *	-K		a connection that is refused with 421, or fails to open, is tried again
 *	-y MS		after this pause (100)
 *	-t THREADS	(1)
 *	-f ID		the first message's X-Load-Id (1); they count up
 *	-u USER		(alice); with -U N: %d in it is 1 to N, in turn
 *	-a FILE		trusts the certificates in it; otherwise any certificate
 *	-k PRIORITY	of GnuTLS; by itself a share of X25519 comes with the hello, as from OpenSSL, NSS and
 *			Apple's programs
 *	-b N		source addresses 127.0.0.1 to N, in turn
 *
 * The password comes from the environment, LOAD_PASSWORD. Prints one line of JSON at its end; exits
 * with 1 when there were failures. Times are in us:
 *	p50_us...	what a user waits: from MAIL to the 250 of the content; with -1 from connecting, the
 *			first time if that was refused; with -q from when the message was due
 *	connect_...	from connecting to the 235
 *	refuse_...	from connecting to the 421
 *	cpu_us		what a message cost the generator itself
 *	late		with -q: messages that began more than 100 ms after they were due
 *	slices_...	with -q: p50 and p99 of each slice of time, by when messages were due. A slice is
 *			250 ms, or as long as slice_messages, 100, take: fewer have no p99
 */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EX_USAGE = 64, EX_NOINPUT = 66, EX_OSERR = 71, RECIPIENTS_MOST = 1000 };

struct settings set = { .connections = 50,
			.threads = 1,
			.messages = 5000,
			.first_id = 1,
			.recipients = 1,
			.users = 1,
			.pause_ms = 100,
			.mix_count = 1,
			.mix = { { 4096, 1 } },
			.user = "alice",
			.priority = "NORMAL:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"
				    "+GROUP-SECP384R1" };
struct everything all;

static struct worker *workers;
static pthread_barrier_t opened, started;

static void die(int status, const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	exit(status);
}

static void *need(void *memory)
{
	if (memory == NULL)
		die(EX_OSERR, "memory", "none left");
	return memory;
}

void tell_failure(const char *what, const char *words)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	if (all.first_failure[0] == '\0') {
		snprintf(all.first_failure, sizeof(all.first_failure), "%s: %.300s", what, words);
		fprintf(stderr, "load: first failure: %s\n", all.first_failure);
	}
	pthread_mutex_unlock(&lock);
}

/* The user name with %d replaced. */
static void user_name(char *out, size_t size, unsigned number)
{
	const char *mark = strstr(set.user, "%d");

	if (mark)
		snprintf(out, size, "%.*s%u%s", (int)(mark - set.user), set.user, number, mark + 2);
	else
		snprintf(out, size, "%s", set.user);
}

static char *login_line(unsigned number, const char *password)
{
	char user[128], plain[512], *line = NULL;
	gnutls_datum_t raw, coded;
	int n;

	user_name(user, sizeof(user), number);
	n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, user, 0, password);
	if (n < 0 || (size_t)n >= sizeof(plain))
		die(EX_USAGE, "password", "too long");
	raw = (gnutls_datum_t){ (unsigned char *)plain, (unsigned)n };
	if (gnutls_base64_encode2(&raw, &coded) < 0 ||
	    asprintf(&line, "AUTH PLAIN %.*s\r\n", (int)coded.size, coded.data) < 0)
		need(NULL);
	gnutls_free(coded.data);
	return line;
}

static void prepare_logins(void)
{
	const char *password = getenv("LOAD_PASSWORD");

	all.logins = need(calloc(set.users, sizeof(*all.logins)));
	for (unsigned i = 0; i < set.users; i++)
		all.logins[i] = login_line(i + 1, password ? password : "secret");
}

static void prepare_envelope(void)
{
	char *at;

	all.rcpts = need(calloc(set.recipients, sizeof(*all.rcpts)));
	at = all.behind_mail = need(malloc(64 * (size_t)(set.recipients + 1)));
	for (unsigned i = 0; i < set.recipients; i++) {
		char number[16] = "";

		if (i)
			snprintf(number, sizeof(number), "%u", i + 1);
		if (asprintf(&all.rcpts[i], "RCPT TO:<sink%s@example.org>\r\n", number) < 0)
			need(NULL);
		at = stpcpy(at, all.rcpts[i]);
	}
	strcpy(at, "DATA\r\n");
}

/* Lines of 70 characters, counted from the end, where each content is cut off. */
static void prepare_filler(void)
{
	size_t most = 0;

	for (unsigned i = 0; i < set.mix_count; i++)
		most = set.mix[i].octets > most ? set.mix[i].octets : most;
	set.octets_most = most;
	all.filler = need(malloc(most + 3));
	for (size_t i = 0; i < most; i++)
		all.filler[i] = (most - i) % 72 == 1 ? '\n' : (most - i) % 72 == 2 ? '\r' : 'x';
	memcpy(all.filler + most, ".\r\n", 3);
}

static void prepare_tls(void)
{
	const char *wrong = set.priority;
	int rc = gnutls_priority_init(&all.priority, set.priority, &wrong);

	if (rc < 0)
		die(EX_USAGE, "-k", gnutls_strerror(rc));
	gnutls_certificate_allocate_credentials(&all.trust);
	if (set.ca_file &&
	    gnutls_certificate_set_x509_trust_file(all.trust, set.ca_file, GNUTLS_X509_FMT_PEM) < 1)
		die(EX_NOINPUT, set.ca_file, "no certificate");
}

static void prepare_workers(void)
{
	if (set.threads > set.connections)
		set.threads = set.connections;
	workers = need(calloc(set.threads, sizeof(*workers)));
	for (unsigned i = 0; i < set.threads; i++)
		worker_init(&workers[i], i);
	pthread_barrier_init(&opened, NULL, set.threads + 1);
	pthread_barrier_init(&started, NULL, set.threads + 1);
}

static void prepare(void)
{
	/* An open loop's messages are counted, so that none is lost to a late clock. */
	if (set.rate > 0 && set.seconds > 0) {
		set.messages = (unsigned)(set.rate * set.seconds);
		set.seconds = 0;
	} else if (set.seconds > 0) {
		set.messages = 0;
	}
	prepare_logins();
	prepare_envelope();
	prepare_filler();
	prepare_tls();
	prepare_workers();
	slices_init();
	prctl(PR_SET_TIMERSLACK, 1000);
}

static int64_t cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
	       used.ru_stime.tv_usec;
}

static void *run(void *arg)
{
	struct worker *w = arg;

	worker_open(w);
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&started);
	if (set.is_idle)
		worker_noop(w);
	else
		worker_work(w);
	worker_close(w);
	return NULL;
}

static void print_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < ' ' || *text == 127 ? ' ' : *text);
	}
	putchar('"');
}

static void print_figures(const char *name, const struct figures *f, bool is_long)
{
	printf(", \"%sp50_us\": %u", name, figures_at(f, 0.5));
	if (is_long)
		printf(", \"%sp90_us\": %u", name, figures_at(f, 0.9));
	printf(", \"%sp99_us\": %u", name, figures_at(f, 0.99));
	if (is_long)
		printf(", \"%sp999_us\": %u, \"%smax_us\": %u", name, figures_at(f, 0.999), name,
		       f->max);
}

static struct worker *sum_up(void)
{
	struct worker *sum = need(calloc(1, sizeof(*sum)));

	for (unsigned i = 0; i < set.threads; i++) {
		const struct worker *w = &workers[i];

		sum->messages += w->messages;
		sum->failures += w->failures;
		sum->refused += w->refused;
		sum->resumed += w->resumed;
		sum->late += w->late;
		sum->last_us = w->last_us > sum->last_us ? w->last_us : sum->last_us;
		figures_merge(&sum->latency, &w->latency);
		figures_merge(&sum->connect, &w->connect);
		figures_merge(&sum->refuse, &w->refuse);
	}
	return sum;
}

/* Whether there were no failures. */
static bool report(int64_t used_us)
{
	struct worker *sum = sum_up();
	double seconds = (double)((sum->last_us ? sum->last_us : now_us()) - all.begun_us) / 1e6;
	bool is_fine = sum->failures == 0;

	printf("{\"messages\": %u, \"failures\": %u, \"refused\": %u, \"seconds\": %.3f, "
	       "\"per_second\": %.1f",
	       sum->messages, sum->failures, sum->refused, seconds,
	       seconds > 0 ? sum->messages / seconds : 0);
	print_figures("", &sum->latency, true);
	print_figures("connect_", &sum->connect, false);
	print_figures("refuse_", &sum->refuse, false);
	printf(", \"resumed\": %u, \"cpu_us\": %.1f", sum->resumed,
	       sum->messages ? (double)used_us / sum->messages : 0);
	if (set.rate > 0)
		printf(", \"late\": %u", sum->late);
	slices_print();
	if (all.first_failure[0]) {
		printf(", \"first_failure\": ");
		print_text(all.first_failure);
	}
	printf("}\n");
	free(sum);
	return is_fine;
}

static void ready(void)
{
	struct worker *sum = sum_up();
	char line[256];

	printf("ready {\"connections\": %u, \"failures\": %u, \"refused\": %u",
	       (unsigned)sum->connect.count, sum->failures, sum->refused);
	print_figures("connect_", &sum->connect, false);
	printf("}\n");
	fflush(stdout);
	free(sum);
	while (fgets(line, sizeof(line), stdin) && set.is_idle)
		;
}

static bool work(void)
{
	pthread_t *threads = need(calloc(set.threads, sizeof(*threads)));
	int64_t used;

	for (unsigned i = 0; i < set.threads; i++)
		if (pthread_create(&threads[i], NULL, run, &workers[i]) != 0)
			die(EX_OSERR, "thread", strerror(errno));
	pthread_barrier_wait(&opened);
	if (set.is_idle || set.waits_for_word)
		ready();
	all.begun_us = now_us();
	used = cpu_us();
	pthread_barrier_wait(&started);
	for (unsigned i = 0; i < set.threads; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return report(cpu_us() - used);
}

static void release(void)
{
	for (unsigned i = 0; i < set.threads; i++)
		worker_fini(&workers[i]);
	for (unsigned i = 0; i < set.users; i++)
		free(all.logins[i]);
	for (unsigned i = 0; i < set.recipients; i++)
		free(all.rcpts[i]);
	free(all.logins);
	free(all.rcpts);
	free(all.behind_mail);
	free(all.filler);
	free(workers);
	slices_fini();
	gnutls_priority_deinit(all.priority);
	gnutls_certificate_free_credentials(all.trust);
}

static unsigned number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n > UINT32_MAX)
		die(EX_USAGE, text, "not a number");
	return (unsigned)n;
}

/* What may stand before `stop`, which is then skipped. */
static double fraction(const char **text, char stop)
{
	char *end;
	double n = strtod(*text, &end);

	if (end == *text || n < 0 || (*end && *end != stop))
		die(EX_USAGE, *text, "not understood");
	*text = *end ? end + 1 : end;
	return n;
}

static void parse_mix(const char *text)
{
	double sum = 0;

	set.mix_count = 0;
	while (*text) {
		if (set.mix_count == MIX_MOST)
			die(EX_USAGE, "-s", "too many sizes");
		set.mix[set.mix_count].octets = (size_t)fraction(&text, ':');
		sum += text[-1] == ':' ? fraction(&text, ',') : 1;
		set.mix[set.mix_count++].until = sum;
	}
	for (unsigned i = 0; i < set.mix_count; i++)
		set.mix[i].until /= sum;
}

static void parse_slow(const char *text)
{
	set.slow_rate = (unsigned)fraction(&text, ':');
	set.slow_share = *text ? fraction(&text, '\0') : 1;
}

static const struct {
	char name;
	bool *flag;
	unsigned *number;
	const char **text;
	double *fraction;
	void (*parse)(const char *text);
} options[] = {
	{ 'c', .number = &set.connections },  { 'n', .number = &set.messages },
	{ 'd', .fraction = &set.seconds },    { 's', .parse = parse_mix },
	{ '1', .flag = &set.is_one_each },    { 'R', .flag = &set.resumes },
	{ 'i', .flag = &set.is_implicit },    { 'p', .flag = &set.is_pipelined },
	{ 'r', .number = &set.recipients },   { 'q', .fraction = &set.rate },
	{ 'w', .parse = parse_slow },	      { 'I', .flag = &set.is_idle },
	{ 'W', .flag = &set.waits_for_word }, { 'K', .flag = &set.keeps_going },
	{ 'y', .number = &set.pause_ms },     { 't', .number = &set.threads },
	{ 'f', .number = &set.first_id },     { 'u', .text = &set.user },
	{ 'U', .number = &set.users },	      { 'a', .text = &set.ca_file },
	{ 'k', .text = &set.priority },	      { 'b', .number = &set.sources },
};

static void parse_option(int name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].name != name)
			continue;
		if (options[i].flag)
			*options[i].flag = true;
		else if (options[i].number)
			*options[i].number = number(optarg);
		else if (options[i].text)
			*options[i].text = optarg;
		else if (options[i].fraction)
			*options[i].fraction = fraction(&(const char *){ optarg }, '\0');
		else
			options[i].parse(optarg);
	}
}

static bool parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:n:d:s:1Ripr:q:w:IWKy:t:f:u:U:a:k:b:")) != -1) {
		if (c == '?')
			return false;
		parse_option(c);
	}
	if (argc - optind != 2 || !set.connections || !set.threads || !set.users ||
	    !set.recipients || set.recipients > RECIPIENTS_MOST || !set.mix_count ||
	    (set.is_one_each && (set.is_idle || set.waits_for_word)))
		return false;
	return wire_address(&set.address, argv[optind], atoi(argv[optind + 1])) == 0;
}

int main(int argc, char **argv)
{
	bool is_fine;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: load [OPTION...] ADDRESS PORT; the options stand in "
				"tests/bench/load.c\n");
		return EX_USAGE;
	}
	prepare();
	is_fine = work();
	release();
	return is_fine ? 0 : 1;
}
