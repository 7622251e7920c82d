#include "desk.h"

#include "auth/worker.h"

#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void desk_open(struct desk *d)
{
	*d = (struct desk){ .fd = -1 };
	snprintf(d->directory, sizeof(d->directory), "/tmp/auth-desk-XXXXXX");
	assert_non_null(mkdtemp(d->directory));
}

void desk_close(struct desk *d)
{
	char command[96];

	if (d->fd >= 0)
		assert_int_not_equal(desk_dismiss(d), DESK_LEAK);
	buf_fini(&d->frame);
	snprintf(command, sizeof(command), "rm -rf %s", d->directory);
	assert_int_equal(system(command), 0);
}

const char *desk_path(const struct desk *d, const char *name)
{
	static char paths[2][128];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", d->directory, name);
	return path;
}

#if DESK_IS_WATCHED
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_do_recoverable_leak_check() 0
#endif

static int run(int fd)
{
	int status = auth_worker_run(fd);

	return __lsan_do_recoverable_leak_check() ? DESK_LEAK : status;
}

void desk_hire(struct desk *d, const struct auth_hello *hello)
{
	struct buf frame = { 0 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fflush(NULL);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		close(fds[0]);
		if (d->user && geteuid() == 0 && (setgroups(0, NULL) < 0 || setuid(d->user) < 0))
			_exit(99);
		_exit(run(fds[1]));
	}
	close(fds[1]);
	d->fd = fds[0];
	if (hello) {
		auth_hello_encode(hello, &frame);
		desk_send(d, buf_span(&frame));
		buf_fini(&frame);
	}
}

int desk_dismiss(struct desk *d)
{
	int status;

	close(d->fd);
	d->fd = -1;
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = send(fd, s.at, s.len, MSG_NOSIGNAL);

		assert_true(n > 0);
		s = span_from(s, (size_t)n);
	}
}

static void read_all(int fd, unsigned char *at, size_t n)
{
	while (n) {
		ssize_t r = read(fd, at, n);

		assert_true(r > 0);
		at += r;
		n -= (size_t)r;
	}
}

void desk_send(struct desk *d, struct span octets)
{
	unsigned char head[4] = { octets.len & 0xFF, octets.len >> 8 & 0xFF,
				  octets.len >> 16 & 0xFF, octets.len >> 24 & 0xFF };

	write_all(d->fd, span_of(head, sizeof(head)));
	write_all(d->fd, octets);
}

enum auth_verdict desk_receive(struct desk *d)
{
	unsigned char head[4];
	size_t n;

	read_all(d->fd, head, sizeof(head));
	n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
	assert_true(n <= AUTH_ANSWER_OCTETS_MAX);
	buf_clear(&d->frame);
	read_all(d->fd, buf_room(&d->frame, n), n);
	buf_grew(&d->frame, n);
	assert_int_equal(auth_answer_decode(buf_span(&d->frame), &d->answer), 0);
	return d->answer.verdict;
}

enum auth_verdict desk_ask(struct desk *d, const char *mechanism, const struct span *responses,
			   size_t count)
{
	struct auth_request request = { .mechanism = span_text(mechanism),
					.response_count = count };

	for (size_t i = 0; i < count; i++)
		request.responses[i] = responses[i];
	return desk_request(d, &request);
}

enum auth_verdict desk_request(struct desk *d, const struct auth_request *request)
{
	struct buf frame = { 0 };

	auth_request_encode(request, &frame);
	desk_send(d, buf_span(&frame));
	buf_fini(&frame);
	return desk_receive(d);
}

enum auth_verdict desk_say(struct desk *d, const char *mechanism, uint64_t number, bool is_next,
			   const struct span *response)
{
	struct auth_request request = { .mechanism = span_text(mechanism),
					.conversation = number,
					.is_next = is_next };

	if (response)
		request.responses[request.response_count++] = *response;
	return desk_request(d, &request);
}

void desk_expect(struct desk *d, enum auth_verdict got, enum auth_verdict expected,
		 const char *what)
{
	if (got != expected)
		fail_msg("%s: %s (%.*s)", what, auth_verdict_name(got), (int)d->answer.detail.len,
			 (const char *)d->answer.detail.at);
}

enum auth_verdict desk_plain(struct desk *d, const char *authzid, const char *name,
			     const char *password)
{
	struct buf response = { 0 };
	struct span span;
	enum auth_verdict v;

	buf_put(&response, authzid, strlen(authzid) + 1);
	buf_put(&response, name, strlen(name) + 1);
	buf_put_text(&response, password);
	span = buf_span(&response);
	v = desk_ask(d, "PLAIN", &span, 1);
	buf_fini(&response);
	return v;
}

enum auth_verdict desk_login(struct desk *d, const char *name, const char *password)
{
	struct span responses[2] = { span_text(name), span_text(password) };

	return desk_ask(d, "LOGIN", responses, 2);
}

void desk_detail_has(const struct desk *d, const char *words)
{
	struct span detail = d->answer.detail;

	if (!memmem(detail.at, detail.len, words, strlen(words)))
		fail_msg("no \"%s\" in \"%.*s\"", words, (int)detail.len, (const char *)detail.at);
}

long desk_resident_kib(const struct desk *d)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)d->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", &kib);
	fclose(f);
	assert_true(kib > 0);
	return kib;
}

/* A process that is not dumpable shows its descriptors to root only. */
unsigned desk_descriptors(const struct desk *d)
{
	struct dirent *entry;
	unsigned n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)d->pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void assert_is_judged(struct desk *d, enum auth_verdict v, const char *name)
{
	if (v != AUTH_WRONG && v != AUTH_MALFORMED)
		fail_msg("\"%s\": %s (%.*s)", name, auth_verdict_name(v), (int)d->answer.detail.len,
			 (const char *)d->answer.detail.at);
}

void desk_odd_ones_are_judged(struct desk *d)
{
	static const char *const names[] = {
		"@",	"@@",		"@other",    "alice@",	"alice@@",	"a@b@c",
		"/",	"..",		"EXAMPLE\\", "\\alice", "\\",		"%s%n",
		"*",	"alice)(uid=*", "a b",	     "\"a\"",	"-a",		"~",
		"root", "a:b",		"\xC2\xA0",  "#name",	"\xE2\x80\xAE", "userPassword",
	};
	static char long_latin_1[1000], long_utf8[1025], edge[512];
	const char *const passwords[] = { "x",		" ",	   "%s%n", "\xFF\xFE",
					  long_latin_1, long_utf8, edge };

	memset(long_latin_1, 0xE9, sizeof(long_latin_1) - 1);
	for (size_t i = 0; i + 1 < sizeof(long_utf8); i += 2)
		memcpy(long_utf8 + i, "\xC3\xA9", 2);
	memset(edge, 'e', sizeof(edge) - 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_is_judged(d, desk_plain(d, "", names[i], "x"), names[i]);
		assert_is_judged(d, desk_login(d, names[i], "x"), names[i]);
		assert_is_judged(d, desk_plain(d, names[i], names[i], "x"), names[i]);
	}
	for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
		assert_is_judged(d, desk_plain(d, "", "alice", passwords[i]), "alice");
		assert_is_judged(d, desk_login(d, "alice", passwords[i]), "alice");
	}
}
