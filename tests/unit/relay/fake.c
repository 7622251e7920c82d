#include "fake.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char FAKE_CLOSE[] = "close", FAKE_RESET[] = "reset", FAKE_STALL[] = "stall",
	   FAKE_NOTHING[] = "nothing";

struct talk {
	struct fake_talk seen;
	int fd;
	size_t place;
	gnutls_session_t tls;
	gnutls_certificate_credentials_t credentials;
	char in[65536], out[4096];
	size_t from, len;
	char sender[512], recipients[65536], mail[1024];
	char *chunks; /* content that came by BDAT so far */
	size_t chunks_octets;
	bool has_sender, has_recipient, has_left;
};

static void must(int is_so, const char *what)
{
	if (!is_so) {
		perror(what);
		abort();
	}
}

/* Octets */

static ssize_t get(struct talk *t, void *at, size_t n)
{
	if (t->tls)
		return gnutls_record_recv(t->tls, at, n);
	return recv(t->fd, at, n, 0);
}

static bool put(struct talk *t, const char *at, size_t n)
{
	while (n) {
		ssize_t sent = t->tls ? gnutls_record_send(t->tls, at, n)
				      : send(t->fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool fill(struct talk *t)
{
	ssize_t n = get(t, t->in, sizeof(t->in));

	if (n <= 0)
		return false;
	t->from = 0;
	t->len = (size_t)n;
	return true;
}

/* One line with its end, NUL-terminated; 0: the peer is gone. */
static size_t get_line(struct talk *t, char *out, size_t cap)
{
	size_t n = 0;

	while (n == 0 || out[n - 1] != '\n') {
		if (t->len == 0 && !fill(t))
			return 0;
		must(n < cap - 1, "line");
		out[n++] = t->in[t->from++];
		t->len--;
	}
	out[n] = '\0';
	return n;
}

/* TLS */

static bool secure(struct talk *t)
{
	const struct fake *f = t->seen.fake;

	must(gnutls_certificate_allocate_credentials(&t->credentials) == 0, "credentials");
	must(gnutls_certificate_set_x509_key_file(t->credentials, f->chain, f->key,
						  GNUTLS_X509_FMT_PEM) == 0,
	     "key file");
	must(gnutls_init(&t->tls, GNUTLS_SERVER) == 0, "session");
	gnutls_set_default_priority(t->tls);
	gnutls_credentials_set(t->tls, GNUTLS_CRD_CERTIFICATE, t->credentials);
	gnutls_transport_set_int(t->tls, t->fd);
	t->seen.is_secure = gnutls_handshake(t->tls) == 0;
	return t->seen.is_secure;
}

/* Replies */

static void reset_peer(struct talk *t)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static bool say(struct talk *t, const char *reply)
{
	if (reply == FAKE_NOTHING)
		return true;
	if (reply == FAKE_STALL) {
		while (fill(t))
			;
		return false;
	}
	if (reply == FAKE_RESET)
		reset_peer(t);
	if (reply == FAKE_CLOSE || reply == FAKE_RESET)
		return false;
	snprintf(t->out, sizeof(t->out), "%s\r\n", reply);
	return put(t, t->out, strlen(t->out));
}

static const char *special(struct talk *t, const char *line)
{
	fake_answer *answer = atomic_load(&t->seen.fake->answer);

	return answer ? answer(&t->seen, line) : NULL;
}

/* One message's content */

static void keep(struct talk *t, char *content, size_t octets, bool by_bdat)
{
	struct fake *f = t->seen.fake;
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = atomic_load(&f->message_count);
	must(n < FAKE_MESSAGES_MOST, "too many messages");
	f->messages[n] = (struct fake_message){ .connection = t->seen.connection,
						.sender = strdup(t->sender),
						.recipients = strdup(t->recipients),
						.mail = strdup(t->mail),
						.by_bdat = by_bdat,
						.content = content,
						.octets = octets };
	atomic_store(&f->message_count, n + 1);
	pthread_mutex_unlock(&f->lock);
}

static char *get_content(struct talk *t, size_t *octets_out)
{
	size_t cap = 4096, n = 0, got;
	char *content = malloc(cap), line[65536];

	while ((got = get_line(t, line, sizeof(line))) != 0 && strcmp(line, ".\r\n") != 0) {
		size_t skip = line[0] == '.' ? 1 : 0;

		while (n + got + 1 > cap)
			content = realloc(content, cap *= 2);
		memcpy(content + n, line + skip, got - skip);
		n += got - skip;
	}
	content[n] = '\0';
	*octets_out = n;
	if (got)
		return content;
	free(content);
	return NULL;
}

static bool take_message(struct talk *t)
{
	size_t octets;
	const char *reply = special(t, "DATA");
	char *content;

	if (reply && strncmp(reply, "354", 3) != 0)
		return say(t, reply);
	if (!say(t, reply ? reply : t->has_recipient ? "354 go on" : "554 5.5.1 no recipient"))
		return false;
	if (!reply && !t->has_recipient)
		return true;
	atomic_fetch_add(&t->seen.fake->starts_of_body, 1);
	reply = special(t, "(body)");
	if (reply && !say(t, reply))
		return false;
	content = get_content(t, &octets);
	if (content == NULL)
		return false;
	reply = special(t, ".");
	if (reply == NULL || reply[0] == '2')
		keep(t, content, octets, false);
	else
		free(content);
	return say(t, reply ? reply : "250 2.0.0 taken");
}

static void forget_chunks(struct talk *t)
{
	free(t->chunks);
	t->chunks = NULL;
	t->chunks_octets = 0;
}

static bool get_chunk(struct talk *t, size_t octets)
{
	t->chunks = realloc(t->chunks, t->chunks_octets + octets + 1);
	while (octets) {
		size_t n;

		if (t->len == 0 && !fill(t))
			return false;
		n = t->len < octets ? t->len : octets;
		memcpy(t->chunks + t->chunks_octets, t->in + t->from, n);
		t->from += n;
		t->len -= n;
		t->chunks_octets += n;
		octets -= n;
	}
	t->chunks[t->chunks_octets] = '\0';
	return true;
}

static bool take_chunk(struct talk *t, const char *line)
{
	bool is_last = strstr(line, " LAST") != NULL;
	const char *reply = special(t, line);

	if (reply && strncmp(reply, "500", 3) == 0)
		return say(t, reply);
	if (!get_chunk(t, strtoul(line + 5, NULL, 10)))
		return false;
	atomic_fetch_add(&t->seen.fake->chunks, 1);
	if (!t->has_recipient)
		return say(t, "503 5.5.1 no recipient");
	if (reply == NULL && is_last)
		reply = special(t, ".");
	if (is_last && (reply == NULL || reply[0] == '2')) {
		keep(t, t->chunks, t->chunks_octets, true);
		t->chunks = NULL;
		t->has_recipient = false;
	}
	if (is_last)
		forget_chunks(t);
	return say(t, reply ? reply : "250 2.0.0 taken");
}

/* Commands */

static void address_of(const char *line, char *out, size_t cap)
{
	const char *from = strchr(line, '<'), *to = from ? strchr(from, '>') : NULL;
	size_t n = to ? (size_t)(to - from - 1) : 0;

	must(n < cap, "address");
	memcpy(out, from ? from + 1 : "", n);
	out[n] = '\0';
}

static const char *on_mail(struct talk *t, const char *line)
{
	address_of(line, t->sender, sizeof(t->sender));
	snprintf(t->mail, sizeof(t->mail), "%.1000s", line);
	forget_chunks(t);
	t->recipients[0] = '\0';
	t->has_recipient = false;
	t->seen.messages++;
	t->seen.recipients = 0;
	return "250 2.1.0 sender ok";
}

static void add_recipient(struct talk *t, const char *line)
{
	char address[512];
	size_t n = strlen(t->recipients);

	address_of(line, address, sizeof(address));
	snprintf(t->recipients + n, sizeof(t->recipients) - n, "%s%s", n ? " " : "", address);
	t->has_recipient = true;
}

static bool on_ehlo(struct talk *t)
{
	char text[1024];
	const struct fake *f = t->seen.fake;

	snprintf(text, sizeof(text), "250-fake\r\n%s%s250 SIZE 0", f->offers ? f->offers : "",
		 f->tls == FAKE_STARTTLS && !t->seen.is_secure ? "250-STARTTLS\r\n" : "");
	return say(t, text);
}

/* Before the peer can know, which then may begin another connection in its place. */
static void leave(struct talk *t)
{
	if (!t->has_left)
		atomic_fetch_sub(&t->seen.fake->open, 1);
	t->has_left = true;
}

static bool on_command(struct talk *t, const char *line)
{
	const char *reply;

	if (strncmp(line, "DATA", 4) == 0)
		return take_message(t);
	if (strncmp(line, "BDAT", 4) == 0)
		return take_chunk(t, line);
	if (strncmp(line, "RCPT", 4) == 0)
		t->seen.recipients++;
	if (strncmp(line, "MAIL", 4) == 0)
		on_mail(t, line);
	reply = special(t, line);
	if (strncmp(line, "MAIL", 4) == 0)
		t->has_sender = reply == NULL || reply[0] == '2';
	if (strncmp(line, "RCPT", 4) == 0 && reply == NULL && !t->has_sender)
		reply = "503 5.5.1 no sender";
	if (strncmp(line, "RCPT", 4) == 0 && (reply == NULL || reply[0] == '2'))
		add_recipient(t, line);
	if (reply)
		return say(t, reply);
	if (strncmp(line, "EHLO", 4) == 0)
		return on_ehlo(t);
	if (strcmp(line, "STARTTLS") == 0)
		return say(t, "220 2.0.0 go on") && secure(t);
	if (strcmp(line, "QUIT") == 0) {
		atomic_fetch_add(&t->seen.fake->quits, 1);
		leave(t);
		say(t, "221 2.0.0 bye");
		return false;
	}
	return say(t, "250 2.0.0 ok");
}

static void converse(struct talk *t)
{
	const char *greeting;
	char line[65536];
	size_t n;

	if (t->seen.fake->tls == FAKE_IMPLICIT && !secure(t))
		return;
	greeting = special(t, "");
	if (!say(t, greeting ? greeting : "220 fake ESMTP"))
		return;
	while ((n = get_line(t, line, sizeof(line))) != 0) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (!on_command(t, line))
			return;
	}
}

static void *run_talk(void *arg)
{
	struct talk *t = arg;
	struct fake *f = t->seen.fake;

	converse(t);
	forget_chunks(t);
	if (t->tls) {
		gnutls_deinit(t->tls);
		gnutls_certificate_free_credentials(t->credentials);
	}
	leave(t);
	pthread_mutex_lock(&f->lock);
	f->talk_fds[t->place] = -1;
	close(t->fd);
	pthread_mutex_unlock(&f->lock);
	free(t);
	return NULL;
}

/* Connections */

static void start_talk(struct fake *f, int fd)
{
	const int yes = 1;
	struct talk *t = calloc(1, sizeof(*t));
	unsigned open = atomic_fetch_add(&f->open, 1) + 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	t->seen.fake = f;
	t->fd = fd;
	t->place = atomic_load(&f->connections);
	t->seen.connection = (unsigned)t->place + 1;
	must(t->place < FAKE_TALKS_MOST, "too many connections");
	if (open > atomic_load(&f->most_open))
		atomic_store(&f->most_open, open);
	pthread_mutex_lock(&f->lock);
	f->talk_fds[t->place] = fd;
	atomic_fetch_add(&f->connections, 1);
	must(pthread_create(&f->talks[t->place], NULL, run_talk, t) == 0, "thread");
	pthread_mutex_unlock(&f->lock);
}

static void *run_accept(void *arg)
{
	struct fake *f = arg;
	int fd;

	while ((fd = accept(f->fd, NULL, NULL)) >= 0)
		start_talk(f, fd);
	return NULL;
}

static int bind_somewhere(int *port_out)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&to, len) == 0, "bind");
	must(getsockname(fd, (struct sockaddr *)&to, &len) == 0, "getsockname");
	*port_out = ntohs(to.sin_port);
	return fd;
}

void fake_start(struct fake *f)
{
	f->fd = bind_somewhere(&f->port);
	must(listen(f->fd, 128) == 0, "listen");
	pthread_mutex_init(&f->lock, NULL);
	must(pthread_create(&f->accepting, NULL, run_accept, f) == 0, "thread");
}

/* Bound until the program ends: otherwise the next who asks for a port might get it. */
int fake_closed_port(void)
{
	int port;

	bind_somewhere(&port);
	return port;
}

void fake_stop(struct fake *f)
{
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->accepting, NULL);
	close(f->fd);
	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->connections; i++)
		if (f->talk_fds[i] >= 0)
			shutdown(f->talk_fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->connections; i++)
		pthread_join(f->talks[i], NULL);
	for (unsigned i = 0; i < f->message_count; i++) {
		free(f->messages[i].sender);
		free(f->messages[i].recipients);
		free(f->messages[i].mail);
		free(f->messages[i].content);
	}
	pthread_mutex_destroy(&f->lock);
}

void fake_certificate(const char *dir, const char *name, const char *host)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		 "-subj /CN=%s -addext subjectAltName=%s%s -keyout %s/%s.key -out %s/%s.pem "
		 "2>/dev/null",
		 host, host[0] >= '0' && host[0] <= '9' ? "IP:" : "DNS:", host, dir, name, dir,
		 name);
	must(system(command) == 0, command);
}
