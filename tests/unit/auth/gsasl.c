#include "gsasl.h"

#include "base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 24 };

static void run(const char *const *arguments, int in, int out)
{
	const char *all[ARGUMENTS_MAX + 4] = { "gsasl", "--client", "--quiet" };
	int null = open("/dev/null", O_WRONLY);

	for (size_t i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
		all[3 + i] = arguments[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, 0);
	dup2(out, 1);
	dup2(null, 2);
	execvp("gsasl", (char *const *)(uintptr_t)all);
	_exit(127);
}

static void write_line(struct gsasl *g, struct span line)
{
	struct buf whole = { 0 };

	buf_put_span(&whole, line);
	buf_put_char(&whole, '\n');
	/* It may have ended: then there is nothing more to hear. */
	if (write(g->to, buf_span(&whole).at, whole.len) != (ssize_t)whole.len)
		assert_int_equal(errno, EPIPE);
	buf_fini(&whole);
}

void gsasl_start(struct gsasl *g, const char *const *arguments, const char *const bindings[2])
{
	int to[2], from[2];

	*g = (struct gsasl){ 0 };
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	fflush(NULL);
	g->pid = fork();
	assert_true(g->pid >= 0);
	if (g->pid == 0)
		run(arguments, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	g->to = to[1];
	g->from = from[0];
	for (unsigned i = 0; i < 2 && bindings && bindings[i]; i++)
		write_line(g, span_text(bindings[i]));
}

/* Up to the next LF, without it; false at the end. */
static bool read_line(struct gsasl *g)
{
	char c;

	buf_clear(&g->text);
	while (read(g->from, &c, 1) == 1) {
		if (c == '\n')
			return true;
		buf_put_char(&g->text, c);
	}
	return false;
}

/* Its questions stand in the same line as what it sends; its first line is the mechanism's name. */
bool gsasl_hear(struct gsasl *g, struct span *out)
{
	while (read_line(g)) {
		struct span line = buf_span(&g->text);

		for (size_t at; (at = span_find(line, ':')) < line.len;)
			line = span_from(line, at + 2);
		buf_clear(&g->octets);
		if (base64_decode(line, &g->octets) < 0)
			continue;
		*out = buf_span(&g->octets);
		return true;
	}
	return false;
}

void gsasl_say(struct gsasl *g, struct span token)
{
	struct buf text = { 0 };

	base64_encode(token, &text);
	write_line(g, buf_span(&text));
	buf_fini(&text);
}

void gsasl_stop(struct gsasl *g)
{
	int status;

	close(g->to);
	while (read_line(g))
		;
	close(g->from);
	buf_fini(&g->text);
	buf_fini(&g->octets);
	assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		fail_msg("gsasl (Debian: gsasl) cannot be started");
}
