/* posternd: the daemon's main(): options, start-up order, exit codes. */
#include "check.h"
#include "daemon.h"
#include "descriptors.h"
#include "load.h"
#include "privileges.h"
#include "sockets.h"

#include "auth/worker.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static const char usage[] =
	"Usage: posternd [-c FILE] [-t | --show-config]\n"
	"       posternd --sample-config | --version | --help\n"
	"\n"
	"Serves authenticated mail submission in the foreground; see posternd(8).\n"
	"\n"
	"  -c, --config FILE   read FILE instead of /etc/postern/postern.conf, then the *.conf\n"
	"                      files of the directory conf.d beside it\n"
	"  -t, --test          check the configuration and everything it names, then exit:\n"
	"                      0 all is well, 78 something is wrong (told with file and line)\n"
	"      --show-config   print every key with the value in force\n"
	"      --sample-config print a configuration file with every key, its default and help\n"
	"      --version       print the version\n"
	"  -h, --help          print this\n"
	"\n"
	"Signals: HUP reads configuration, certificates and passwords again; TERM and INT stop.\n";

enum mode { MODE_SERVE, MODE_TEST, MODE_SHOW, MODE_SAMPLE, MODE_WORKER, MODE_HELP, MODE_VERSION };

struct options {
	enum mode mode;
	const char *file;
};

enum { LOGIN_WORKER_FD = 3 };

static int parse_options(int argc, char **argv, struct options *out)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "show-config", no_argument, NULL, 'S' },
		{ "sample-config", no_argument, NULL, 'P' },
		{ "login-worker", no_argument, NULL, 'W' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const struct {
		int option;
		enum mode mode;
	} modes[] = {
		{ 't', MODE_TEST },   { 'S', MODE_SHOW },    { 'P', MODE_SAMPLE },
		{ 'W', MODE_WORKER }, { 'V', MODE_VERSION }, { 'h', MODE_HELP },
	};
	int c;

	*out = (struct options){ MODE_SERVE, LOAD_DEFAULT_FILE };
	while ((c = getopt_long(argc, argv, "c:th", longs, NULL)) != -1) {
		if (c == '?')
			return -1;
		if (c == 'c')
			out->file = optarg;
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			if (modes[i].option == c)
				out->mode = modes[i].mode;
	}
	if (optind < argc) {
		fprintf(stderr, "posternd: \"%s\" is not an option\n", argv[optind]);
		return -1;
	}
	return 0;
}

static int fail(int status, const struct fault *fault)
{
	fprintf(stderr, "posternd: %s\n", fault->text);
	return status;
}

static void print_fault(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "posternd: %s\n", text);
}

static void print_buf(struct buf *text)
{
	fwrite(buf_span(text).at, 1, text->len, stdout);
	buf_fini(text);
}

static int run_test(const char *file)
{
	struct fault fault = { 0 };
	struct conf *conf = load_conf(file, &fault);
	unsigned faults;

	if (conf == NULL)
		return fail(EX_CONFIG, &fault);
	faults = check_conf(conf, print_fault, NULL);
	conf_free(&conf);
	if (faults)
		return EX_CONFIG;
	printf("posternd: %s is fine\n", file);
	return EX_OK;
}

static int run_show(const char *file)
{
	struct fault fault = { 0 };
	struct conf *conf = load_conf(file, &fault);
	struct buf text = { 0 };

	if (conf == NULL)
		return fail(EX_CONFIG, &fault);
	conf_show(conf, &text);
	print_buf(&text);
	conf_free(&conf);
	return EX_OK;
}

static int run_sample(void)
{
	struct buf text = { 0 };

	conf_sample(&text);
	print_buf(&text);
	return EX_OK;
}

/* Once sockets are bound and the spawner of login workers runs, nothing needs root any more. */
static int serve_as_user(const char *file, struct conf *conf, struct sockets *sockets,
			 struct worker_spawner *spawner, unsigned loops)
{
	struct fault fault = { 0 };
	struct daemon *d;
	int status;

	if (privileges_drop(conf->user, &fault) < 0) {
		conf_free(&conf);
		return fail(EX_NOPERM, &fault);
	}
	privileges_forbid_dumps();
	d = daemon_open(&(struct daemon_conf){ file, conf, sockets, spawner, loops }, &fault);
	/* The configuration was found good before: what fails now may go another time. */
	if (d == NULL)
		return fail(EX_UNAVAILABLE, &fault);
	status = daemon_run(d);
	daemon_close(&d);
	return status;
}

static int serve(const char *file)
{
	static const char *const worker_argv[] = { "posternd", "--login-worker", NULL };
	struct fault fault = { 0 };
	struct conf *conf = load_conf(file, &fault);
	struct worker_spawner *spawner;
	const char *login_user;
	struct sockets sockets;
	unsigned loops;
	int status;

	daemon_hold_reloads(true);
	if (conf == NULL)
		return fail(EX_CONFIG, &fault);
	descriptors_raise();
	if (check_conf(conf, print_fault, NULL)) {
		conf_free(&conf);
		return EX_CONFIG;
	}
	/* Asked once: the processors that may be used can become others meanwhile. */
	loops = daemon_loops(conf);
	if (sockets_open(&sockets, conf, loops, &fault) < 0) {
		conf_free(&conf);
		return fail(EX_UNAVAILABLE, &fault);
	}
	login_user = privileges_may_change(conf->login_user) ? conf->login_user : NULL;
	spawner = worker_spawner_start(&(struct worker_spawner_conf){ worker_argv, login_user },
				       &fault);
	if (spawner == NULL) {
		sockets_fini(&sockets);
		conf_free(&conf);
		return fail(EX_OSERR, &fault);
	}
	status = serve_as_user(file, conf, &sockets, spawner, loops);
	worker_spawner_stop(&spawner);
	sockets_fini(&sockets);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;

	umask(0077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of one write, not our end */
	if (parse_options(argc, argv, &options) < 0) {
		fputs("Try posternd --help\n", stderr);
		return EX_USAGE;
	}
	switch (options.mode) {
	case MODE_TEST:
		return run_test(options.file);
	case MODE_SHOW:
		return run_show(options.file);
	case MODE_SAMPLE:
		return run_sample();
	case MODE_WORKER:
		return auth_worker_run(LOGIN_WORKER_FD);
	case MODE_HELP:
		fputs(usage, stdout);
		return EX_OK;
	case MODE_VERSION:
		puts("postern " POSTERN_VERSION);
		return EX_OK;
	case MODE_SERVE:
		break;
	}
	return serve(options.file);
}
