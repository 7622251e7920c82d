/* posternctl: looks at and steers a running posternd, and keeps its users file. */
#include "ctl.h"

#include "ctl/ctl.h"
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
	"Usage: posternctl [-c FILE] [-s SOCKET] [--json] VERB ...\n"
	"\n"
	"Looks at and steers a running posternd, and keeps its users file; see posternctl(8).\n"
	"\n"
	"  status              version, connections, smarthosts, counters\n"
	"  queue [list]        every message that is not yet delivered\n"
	"  queue show QID      one message: each recipient's last reply, the next try\n"
	"  reload              read the configuration again\n"
	"  user add NAME       add a user; the password is asked for, or read from standard input\n"
	"  user passwd NAME    give a user another password\n"
	"  user rm NAME        remove a user\n"
	"  user ls             list the users\n"
	"\n"
	"  -c, --config FILE   configuration that names socket and users file, instead of\n"
	"                      /etc/postern/postern.conf\n"
	"  -s, --socket PATH   control socket, instead of the configuration's\n"
	"      --json          print the answer as one line of JSON\n"
	"      --generate      (user add, user passwd) make a password and print it once\n"
	"      --version       print the version\n"
	"  -h, --help          print this, or after a verb what it does\n";

struct verb {
	const char *first, *second; /* second NULL: the verb is one word */
	const char *argument;	    /* NULL: none */
	int (*run)(const struct ctl_command *command);
	const char *help;
};

static const struct verb verbs[] = {
	{ "status", NULL, NULL, ctl_run_status,
	  "Prints what the daemon is doing: its version, process and age, when the first of its\n"
	  "certificates ends, each smarthost with its connections and, where it is left alone, "
	  "why,\n"
	  "and all counters.\n" },
	{ "queue", "list", NULL, ctl_run_queue_list,
	  "Prints one line for each message that is not yet delivered: id, arrival, size, "
	  "recipients\n"
	  "that wait, tries, the next try (UTC), sender, and the last reason.\n" },
	{ "queue", "show", "QID", ctl_run_queue_show,
	  "Prints one message of the queue with each recipient's state and last reply. QID is the "
	  "id\n"
	  "that stands in the log and in \"posternctl queue\".\n" },
	{ "reload", NULL, NULL, ctl_run_reload,
	  "Makes the daemon read its configuration, certificates and passwords again. If something "
	  "is\n"
	  "wrong, says so with file and line, and the daemon goes on as it was.\n" },
	{ "user", "add", "NAME", ctl_run_user_add,
	  "Adds a user to the users file. The password is asked for twice, or is one line of "
	  "standard\n"
	  "input when that is no terminal; --generate makes one and prints it once.\n" },
	{ "user", "passwd", "NAME", ctl_run_user_passwd,
	  "Gives a user another password, asked for as in \"user add\".\n" },
	{ "user", "rm", "NAME", ctl_run_user_rm, "Removes a user from the users file.\n" },
	{ "user", "ls", NULL, ctl_run_user_ls, "Prints the names of the users, one a line.\n" },
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

enum { HELP = 1, VERSION = 2 };

/* `queue` alone is `queue list`. */
static const struct verb *find_verb(char **words, int count, int *used_out)
{
	for (int i = 0; i < VERBS && count > 0; i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(words[0], v->first) != 0)
			continue;
		*used_out = v->second && count > 1 ? 2 : 1;
		if (v->second == NULL || (count > 1 && strcmp(words[1], v->second) == 0) ||
		    (count == 1 && strcmp(v->second, "list") == 0))
			return v;
	}
	return NULL;
}

static int complain(const char *what, const char *word)
{
	fprintf(stderr, "posternctl: %s%s%s\nTry \"posternctl --help\".\n", what, word ? ": " : "",
		word ? word : "");
	return EX_USAGE;
}

static int run_verb(struct ctl_command *command, bool wants_help)
{
	int used = 0;
	const struct verb *v = find_verb(command->words, command->count, &used);

	if (command->count == 0 && wants_help) {
		fputs(usage, stdout);
		return EX_OK;
	}
	if (command->count == 0)
		return complain("a verb is missing", NULL);
	if (v == NULL)
		return complain("no such verb", command->words[0]);
	if (wants_help) {
		printf("Usage: posternctl %s%s%s%s%s\n\n%s", v->first, v->second ? " " : "",
		       v->second ? v->second : "", v->argument ? " " : "",
		       v->argument ? v->argument : "", v->help);
		return EX_OK;
	}
	command->words += used;
	command->count -= used;
	if (command->count < (v->argument ? 1 : 0))
		return complain("missing", v->argument);
	if (command->count > (v->argument ? 1 : 0))
		return complain("too much", command->words[v->argument ? 1 : 0]);
	return v->run(command);
}

static int parse_options(int argc, char **argv, struct ctl_command *out, unsigned *asked_out)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "generate", no_argument, NULL, 'g' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:s:h", longs, NULL)) != -1) {
		if (c == 'c')
			out->file = optarg;
		else if (c == 's')
			out->socket = optarg;
		else if (c == 'j')
			out->is_json = true;
		else if (c == 'g')
			out->is_generated = true;
		else if (c == 'V')
			*asked_out |= VERSION;
		else if (c == 'h')
			*asked_out |= HELP;
		else
			return EX_USAGE;
	}
	out->words = argv + optind;
	out->count = argc - optind;
	return EX_OK;
}

int main(int argc, char **argv)
{
	struct ctl_command command = { .file = LOAD_DEFAULT_FILE };
	unsigned asked = 0;
	int code = parse_options(argc, argv, &command, &asked);

	if (code != EX_OK)
		return complain("wrong options", NULL);
	if (asked & VERSION) {
		puts("posternctl " POSTERN_VERSION);
		return EX_OK;
	}
	code = run_verb(&command, asked & HELP);
	/* What could not be written was not said. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "posternctl: writing: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return code;
}
