/* posternctl: a password for a user, from a person, a pipe or the kernel's random octets. */
#include "ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

/* crypt(3) takes 511. */
enum { PASSWORD_MOST = 511 };

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

static int refuse(const char *what)
{
	fprintf(stderr, "posternctl: %s\n", what);
	return EX_DATAERR;
}

/* Octet by octet, so that what follows the line stays with whoever reads next. */
static int read_line(struct secret *out)
{
	char line[PASSWORD_MOST + 2]; /* and CR, and one too many */
	size_t n = 0;
	ssize_t got;
	char c;

	while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n' && n < sizeof(line))
		line[n++] = c;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	secret_set(out, span_of(line, n));
	explicit_bzero(line, sizeof(line));
	if (got < 0)
		return refuse(errno == EINTR ? "interrupted; nothing is changed" : strerror(errno));
	return EX_OK;
}

static int read_prompted(const char *prompt, struct secret *out)
{
	int code;

	fputs(prompt, stderr);
	code = read_line(out);
	fputc('\n', stderr);
	return code;
}

static int read_twice(const char *name, struct secret *out)
{
	struct secret again = { 0 };
	char prompt[320];
	int code;

	snprintf(prompt, sizeof(prompt), "Password for %s: ", name);
	code = read_prompted(prompt, out);
	if (code == EX_OK)
		code = read_prompted("Once more: ", &again);
	if (code == EX_OK && !span_eq(secret_span(out), secret_span(&again)))
		code = refuse("the two are not the same; nothing is changed");
	secret_fini(&again);
	return code;
}

static void on_signal(int signum)
{
	(void)signum;
}

/* A signal ends the read, not the program, so that the terminal is put back on every way out. */
static void catch_signals(struct sigaction *before)
{
	struct sigaction quiet = { .sa_handler = on_signal };

	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &quiet, &before[i]);
}

static void release_signals(const struct sigaction *before)
{
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
}

static int read_from_terminal(const char *name, struct secret *out)
{
	struct sigaction handlers[CAUGHT];
	struct termios before, quiet;
	int code;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return refuse(strerror(errno));
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	catch_signals(handlers);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) < 0)
		code = refuse(strerror(errno));
	else
		code = read_twice(name, out);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	release_signals(handlers);
	return code;
}

/* 20 letters and digits of 32, in groups: 100 bits. None that look like another. */
static int generate(struct secret *out)
{
	static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[20];
	char text[24];
	size_t n = 0;

	_Static_assert(sizeof(digits) == 33, "five bits each");
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return refuse("the kernel gave no random octets");
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i && i % 5 == 0)
			text[n++] = '-';
		text[n++] = digits[random[i] % 32];
	}
	secret_set(out, span_of(text, n));
	explicit_bzero(random, sizeof(random));
	explicit_bzero(text, sizeof(text));
	return EX_OK;
}

/* RFC 4616: UTF-8 without NUL. Controls are what a client cannot type. */
static int judge(struct span password)
{
	if (password.len == 0)
		return refuse("the password is empty");
	if (password.len > PASSWORD_MOST)
		return refuse("the password is longer than 511 octets");
	if (!span_is_utf8(password))
		return refuse("the password is not UTF-8");
	for (size_t i = 0; i < password.len; i++)
		if (password.at[i] < 0x20 || password.at[i] == 0x7f)
			return refuse("the password holds a control character");
	return EX_OK;
}

int ctl_password(const struct ctl_command *command, const char *name, struct secret *out)
{
	int code;

	if (command->is_generated)
		return generate(out);
	code = isatty(STDIN_FILENO) ? read_from_terminal(name, out) : read_line(out);
	return code == EX_OK ? judge(secret_span(out)) : code;
}
