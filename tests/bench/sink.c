/* sink: a smarthost that takes everything as fast as it can, and counts.
 *
 *	sink [-p PORT]
 *
 * Prints "port N" when it listens; then, for each line that it reads from standard input, one line of
 * JSON: messages, octets, those that came more than once (by their X-Load-Id field), connections. Ends
 * with its input. Plain text, on the loopback address.
 *
 * One thread and poll(2): what it costs must not hide what is measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS_MAX = 1024, LINE_MAX = 4096, PART_OCTETS = 65536 };

struct peer {
	int fd;
	bool is_in_content, is_line_cut;
	size_t len; /* of the line under way */
	char line[LINE_MAX];
	char out[4096];
	size_t out_len;
};

static struct {
	uint64_t messages, octets, duplicates, connections;
	uint8_t *seen; /* one bit for each id */
	uint64_t seen_most;
} total;

static struct peer *peers[PEERS_MAX];
static size_t peer_count;

static void die(const char *what)
{
	fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
	exit(1);
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

	if (id == 0 || id > UINT32_MAX)
		return;
	if (id >= total.seen_most) {
		uint64_t most = id * 2 < 65536 ? 65536 : id * 2;

		total.seen = realloc(total.seen, most / 8 + 1);
		if (total.seen == NULL)
			die("memory");
		memset(total.seen + (total.seen_most + 7) / 8, 0,
		       most / 8 + 1 - (total.seen_most + 7) / 8);
		total.seen_most = most;
	}
	if (total.seen[id / 8] & (1 << id % 8))
		total.duplicates++;
	total.seen[id / 8] |= (uint8_t)(1 << id % 8);
}

static void content_line(struct peer *p)
{
	if (p->len == 1 && p->line[0] == '.' && !p->is_line_cut) {
		p->is_in_content = false;
		total.messages++;
		say(p, "250 2.0.0 taken\r\n");
		return;
	}
	if (strncasecmp(p->line, "X-Load-Id: ", 11) == 0)
		note_id(p->line + 11);
}

/* False: the peer said QUIT. */
static bool command_line(struct peer *p)
{
	if (strncasecmp(p->line, "EHLO", 4) == 0) {
		say(p, "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
		       "250 ENHANCEDSTATUSCODES\r\n");
	} else if (strncasecmp(p->line, "DATA", 4) == 0) {
		p->is_in_content = true;
		say(p, "354 go on\r\n");
	} else if (strncasecmp(p->line, "QUIT", 4) == 0) {
		say(p, "221 2.0.0 bye\r\n");
		return false;
	} else {
		say(p, "250 2.0.0 ok\r\n");
	}
	return true;
}

static bool one_line(struct peer *p)
{
	bool goes_on = true;

	if (p->len && p->line[p->len - 1] == '\r')
		p->len--;
	p->line[p->len] = '\0';
	if (p->is_in_content)
		content_line(p);
	else
		goes_on = command_line(p);
	p->len = 0;
	p->is_line_cut = false;
	return goes_on;
}

static bool take(struct peer *p, const char *at, size_t n)
{
	while (n) {
		const char *lf = memchr(at, '\n', n);
		size_t part = lf ? (size_t)(lf - at) : n, room = sizeof(p->line) - 1 - p->len;

		memcpy(p->line + p->len, at, part < room ? part : room);
		p->is_line_cut |= part > room;
		p->len += part < room ? part : room;
		if (lf == NULL)
			return true;
		at += part + 1;
		n -= part + 1;
		if (!one_line(p))
			return false;
	}
	return true;
}

static bool serve(struct peer *p)
{
	static char part[PART_OCTETS];
	ssize_t n = read(p->fd, part, sizeof(part));
	bool goes_on;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	total.octets += (uint64_t)n;
	goes_on = take(p, part, (size_t)n);
	if (p->out_len && write(p->fd, p->out, p->out_len) != (ssize_t)p->out_len)
		return false;
	p->out_len = 0;
	return goes_on;
}

static void accept_peer(int listener)
{
	struct peer *p;
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	if (peer_count == PEERS_MAX) {
		close(fd);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		die("memory");
	p->fd = fd;
	say(p, "220 sink.test ESMTP\r\n");
	if (write(fd, p->out, p->out_len) < 0)
		perror("sink: write");
	p->out_len = 0;
	peers[peer_count++] = p;
	total.connections++;
}

static int listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die("listen");
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static void turn(int listener, struct pollfd *fds)
{
	size_t n = peer_count;

	fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (size_t i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd){ .fd = peers[i]->fd, .events = POLLIN };
	if (poll(fds, 2 + n, -1) < 0 && errno != EINTR)
		die("poll");
	for (size_t i = n; i-- > 0;) {
		if (!fds[2 + i].revents || serve(peers[i]))
			continue;
		close(peers[i]->fd);
		free(peers[i]);
		peers[i] = peers[--peer_count];
	}
	if (fds[1].revents)
		accept_peer(listener);
}

/* False: the input has ended. */
static bool answer(void)
{
	char line[64];

	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		return false;
	printf("{\"messages\": %llu, \"octets\": %llu, \"duplicates\": %llu, "
	       "\"connections\": %llu}\n",
	       (unsigned long long)total.messages, (unsigned long long)total.octets,
	       (unsigned long long)total.duplicates, (unsigned long long)total.connections);
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	static struct pollfd fds[PEERS_MAX + 2];
	int port = 0, listener, c;

	while ((c = getopt(argc, argv, "p:")) != -1) {
		if (c != 'p')
			return 64;
		port = atoi(optarg);
	}
	signal(SIGPIPE, SIG_IGN);
	listener = listen_on(port);
	do
		turn(listener, fds);
	while (!(fds[0].revents & (POLLIN | POLLHUP)) || answer());
	return 0;
}
