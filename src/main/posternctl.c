/* posternctl: looks at and steers a running posternd, and keeps its users file. */
#include "ctl.h"

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
	"  queue [ls]          the messages that are not yet delivered, one a line\n"
	"  queue ls --summary [reason | sender | account | smarthost | domain]\n"
	"                      how many, since when, and how much\n"
	"  queue show QID...   all that is known of a message\n"
	"  queue why QID...    why it is still here, and what would make it go\n"
	"  queue flush, hold, release, rm, bounce, reroute   QID... | filters | --all\n"
	"                      try now; keep back; let go; forget; give up with a notice; try as "
	"if\n"
	"                      it had just come\n"
	"  queue export QID [FILE]\n"
	"                      the message itself\n"
	"  spool check [DIR]   look through the spool without the daemon\n"
	"  spool repair [DIR]  set aside what is damaged in it; the daemon must be stopped\n"
	"  reload              read the configuration again\n"
	"  user add NAME       add a user; the password is asked for, or read from standard input\n"
	"  user passwd NAME    give a user another password\n"
	"  user rm NAME        remove a user\n"
	"  user ls             list the users\n"
	"  app-password add USER [--label TEXT] [--expires 90d | 2027-01-31]\n"
	"                      make a password for one device of a user, and print it once\n"
	"  app-password ls [USER]\n"
	"                      list them, with their last use\n"
	"  app-password rm USER ID | USER --all\n"
	"                      remove one, or all of a user\n"
	"\n"
	"  Filters: --from, --to, --account, --smarthost PATTERN, --reason TEXT, --older, --newer "
	"AGE,\n"
	"  --held, --stand WORD\n"
	"\n"
	"  -c, --config FILE   configuration that names socket and users file, instead of\n"
	"                      /etc/postern/postern.conf\n"
	"  -s, --socket PATH   control socket, instead of the configuration's\n"
	"      --json          print the answer as one line of JSON\n"
	"      --all           (queue flush ... reroute) every message; (app-password rm) every "
	"one\n"
	"      --yes           (queue rm, queue bounce) do not ask\n"
	"      --generate      (user add, user passwd) make a password and print it once\n"
	"      --label TEXT    (app-password add) what it is for: \"iPhone\"\n"
	"      --expires WHEN  (app-password add) after so long, or at the end of that day (UTC)\n"
	"      --version       print the version\n"
	"  -h, --help          print this, or after a verb what it does\n";

/* The options that not every verb takes. */
enum { FILTERS = 1, SUMMARY = 2, ALL = 4, SURE = 8, GENERATE = 16, DEVICE = 32 };

struct verb {
	const char *first, *second; /* second NULL: the verb is one word */
	const char *argument;	    /* NULL: none */
	int least, most;	    /* words after it */
	unsigned takes;
	int (*run)(const struct ctl_command *command);
	const char *help;
};

enum { ANY = 1000 * 1000 };

#define CHOICE "[QID...] [--all] [filters]"

static const struct verb verbs[] = {
	{ "status", NULL, NULL, 0, 0, 0, ctl_run_status,
	  "Prints what the daemon is doing: its version, process and age, when the first of its\n"
	  "certificates ends, each smarthost with its connections, its rate and, where it is left\n"
	  "alone, why, and all counters.\n" },
	{ "queue", "ls", "[filters] [--summary[=WAY]]", 0, 2, FILTERS | SUMMARY, ctl_run_queue_list,
	  "Prints one line for each message that is not yet delivered: id, arrival (UTC), size,\n"
	  "recipients that wait, tries, where it stands, the next try, sender, first recipient "
	  "that\n"
	  "waits, last reply. With --summary it counts them: by reason, sender, account, "
	  "smarthost\n"
	  "or domain.\n"
	  "\n"
	  "Other verbs of the queue: show, why, flush, hold, release, rm, bounce, reroute, "
	  "export.\n" },
	{ "queue", "list", "[filters] [--summary[=WAY]]", 0, 2, FILTERS | SUMMARY,
	  ctl_run_queue_list, "As \"queue ls\".\n" },
	{ "queue", "show", "QID...", 1, ANY, 0, ctl_run_queue_show,
	  "Prints all that is known of a message: each recipient's state and last reply, what was\n"
	  "tried and when. QID is the id that stands in the log and in \"posternctl queue\".\n" },
	{ "queue", "why", "QID...", 1, ANY, 0, ctl_run_queue_why,
	  "Says why a message is still here: what was tried and answered, when it is tried next, "
	  "when\n"
	  "its sender is warned and when it is given up, and what would make it go now.\n" },
	{ "queue", "flush", CHOICE, 0, ANY, FILTERS | ALL, ctl_run_queue_act,
	  "Makes messages due now, and asks smarthosts that are left alone. Held ones stay "
	  "held.\n" },
	{ "queue", "hold", CHOICE, 0, ANY, FILTERS | ALL, ctl_run_queue_act,
	  "Keeps messages back until they are released. Their time runs.\n" },
	{ "queue", "release", CHOICE, 0, ANY, FILTERS | ALL, ctl_run_queue_act,
	  "Lets held messages go; they are due now.\n" },
	{ "queue", "rm", CHOICE " [--yes]", 0, ANY, FILTERS | ALL | SURE, ctl_run_queue_act,
	  "Forgets messages, without a notice to anybody.\n" },
	{ "queue", "bounce", CHOICE " [--yes]", 0, ANY, FILTERS | ALL | SURE, ctl_run_queue_act,
	  "Gives messages up: the senders get notices that say so.\n" },
	{ "queue", "reroute", CHOICE, 0, ANY, FILTERS | ALL, ctl_run_queue_act,
	  "Treats messages as if they had just come: the pauses begin anew, with the smarthosts of "
	  "now.\n" },
	{ "queue", "export", "QID [FILE]", 1, 2, 0, ctl_run_queue_export,
	  "Writes a message as it will go out to standard output, or to a new FILE.\n" },
	{ "spool", "check", "[DIR]", 0, 1, 0, ctl_run_spool_check,
	  "Reads a spool (the configuration's, or DIR) and verifies every sum. Prints each\n"
	  "segment, each damaged range and each message that is not whole. Writes nothing.\n" },
	{ "spool", "repair", "[DIR]", 0, 1, 0, ctl_run_spool_repair,
	  "Writes every whole message of damaged segments again, and moves these, with what is\n"
	  "left of messages that are not whole, to DIR/damaged-TIME. The daemon must be "
	  "stopped.\n" },
	{ "reload", NULL, NULL, 0, 0, 0, ctl_run_reload,
	  "Makes the daemon read its configuration, certificates and passwords again. If something "
	  "is\n"
	  "wrong, says so with file and line, and the daemon goes on as it was.\n" },
	{ "user", "add", "NAME", 1, 1, GENERATE, ctl_run_user_add,
	  "Adds a user to the users file. The password is asked for twice, or is one line of "
	  "standard\n"
	  "input when that is no terminal; --generate makes one and prints it once.\n" },
	{ "user", "passwd", "NAME", 1, 1, GENERATE, ctl_run_user_passwd,
	  "Gives a user another password, asked for as in \"user add\", and ends the user's "
	  "sessions.\n"
	  "App passwords stay.\n" },
	{ "user", "rm", "NAME", 1, 1, 0, ctl_run_user_rm,
	  "Removes a user from the users file, with all app passwords, and ends the user's "
	  "sessions.\n" },
	{ "user", "ls", NULL, 0, 0, 0, ctl_run_user_ls,
	  "Prints the users, one a line: the name, whether there is a password, whether SCRAM can "
	  "be\n"
	  "used with it (else: \"user passwd\"), and how many app passwords there are.\n" },
	{ "app-password", "add", "USER [--label TEXT] [--expires 90d | 2027-01-31]", 1, 1, DEVICE,
	  ctl_run_app_add,
	  "Makes a password for one device or program of a user, and prints it once. It can be\n"
	  "removed alone, and tells when and from where it was last used. --expires is how long "
	  "from\n"
	  "now, or the last day (UTC).\n" },
	{ "app-password", "ls", "[USER]", 0, 1, 0, ctl_run_app_ls,
	  "Prints the app passwords, one a line: user, id, when it was made, until when and "
	  "whether\n"
	  "it is valid, its last use and address as far as the daemon knows, and the label.\n" },
	{ "app-password", "rm", "USER ID | USER --all", 1, 2, ALL, ctl_run_app_rm,
	  "Removes an app password, or all of a user, and ends the sessions that logged in by "
	  "it.\n" },
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

/* What was said besides the words. */
struct asked {
	bool wants_help, wants_version;
	unsigned given;	  /* FILTERS ... */
	const char *last; /* of them */
};

/* `queue` alone is `queue ls`. */
static const struct verb *find_verb(char **words, int count, int *used_out)
{
	for (int i = 0; i < VERBS && count > 0; i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(words[0], v->first) != 0)
			continue;
		*used_out = v->second && count > 1 ? 2 : 1;
		if (v->second == NULL || (count > 1 && strcmp(words[1], v->second) == 0) ||
		    (count == 1 && strcmp(words[0], "queue") == 0))
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

static int print_help(const struct verb *v)
{
	if (v == NULL)
		fputs(usage, stdout);
	else
		printf("Usage: posternctl %s%s%s%s%s\n\n%s", v->first, v->second ? " " : "",
		       v->second ? v->second : "", v->argument ? " " : "",
		       v->argument ? v->argument : "", v->help);
	return EX_OK;
}

static int run_verb(struct ctl_command *command, const struct asked *asked)
{
	int used = 0;
	const struct verb *v = find_verb(command->words, command->count, &used);

	if (command->count == 0 && asked->wants_help)
		return print_help(NULL);
	if (command->count == 0)
		return complain("a verb is missing", NULL);
	if (v == NULL)
		return complain("no such verb", command->words[used == 2]);
	if (asked->wants_help)
		return print_help(v);
	command->verb = v->second ? v->second : v->first;
	command->words += used;
	command->count -= used;
	if (command->count < v->least)
		return complain("missing", v->argument);
	if (command->count > v->most)
		return complain("too much", command->words[v->most]);
	if (asked->given & ~v->takes)
		return complain("this verb does not take that", asked->last);
	return v->run(command);
}

/* What a long option is: a letter, a condition of the filter, or of those that set a flag. */
struct choice {
	struct option option;
	const char *key;
	unsigned is;
};

static const struct choice choices[] = {
	{ { "config", required_argument, NULL, 'c' }, NULL, 0 },
	{ { "socket", required_argument, NULL, 's' }, NULL, 0 },
	{ { "help", no_argument, NULL, 'h' }, NULL, 0 },
	{ { "version", no_argument, NULL, 'V' }, NULL, 0 },
	{ { "json", no_argument, NULL, 'j' }, NULL, 0 },
	{ { "generate", no_argument, NULL, 'g' }, NULL, GENERATE },
	{ { "all", no_argument, NULL, 'a' }, NULL, ALL },
	{ { "yes", no_argument, NULL, 'y' }, NULL, SURE },
	{ { "label", required_argument, NULL, 'l' }, NULL, DEVICE },
	{ { "expires", required_argument, NULL, 'e' }, NULL, DEVICE },
	{ { "summary", optional_argument, NULL, 'S' }, NULL, SUMMARY },
	{ { "from", required_argument, NULL, 'f' }, "from", FILTERS },
	{ { "to", required_argument, NULL, 'f' }, "to", FILTERS },
	{ { "account", required_argument, NULL, 'f' }, "account", FILTERS },
	{ { "smarthost", required_argument, NULL, 'f' }, "smarthost", FILTERS },
	{ { "reason", required_argument, NULL, 'f' }, "reason", FILTERS },
	{ { "older", required_argument, NULL, 'f' }, "older_ms", FILTERS },
	{ { "newer", required_argument, NULL, 'f' }, "newer_ms", FILTERS },
	{ { "held", no_argument, NULL, 'f' }, "held", FILTERS },
	{ { "stand", required_argument, NULL, 'f' }, "stand", FILTERS },
};

enum { CHOICES = sizeof(choices) / sizeof(choices[0]) };

static int take_option(int c, const struct choice *choice, struct ctl_command *out,
		       struct asked *asked)
{
	if (choice && choice->is) {
		asked->given |= choice->is;
		asked->last = choice->option.name;
	}
	switch (c) {
	case 'c':
		out->file = optarg;
		return EX_OK;
	case 's':
		out->socket = optarg;
		return EX_OK;
	case 'h':
		asked->wants_help = true;
		return EX_OK;
	case 'V':
		asked->wants_version = true;
		return EX_OK;
	case 'j':
		out->is_json = true;
		return EX_OK;
	case 'g':
		out->is_generated = true;
		return EX_OK;
	case 'a':
		out->is_all = true;
		return EX_OK;
	case 'y':
		out->is_sure = true;
		return EX_OK;
	case 'l':
		out->label = optarg;
		return EX_OK;
	case 'e':
		out->expires = optarg;
		return EX_OK;
	case 'S':
		out->is_summary = true;
		out->by = optarg;
		return EX_OK;
	case 'f':
		return ctl_filter_add(out, choice->key, optarg) < 0 ? EX_USAGE : EX_OK;
	default:
		return complain("wrong options", NULL);
	}
}

static int parse_options(int argc, char **argv, struct ctl_command *out, struct asked *asked)
{
	struct option longs[CHOICES + 1] = { 0 };
	int c, code = EX_OK, at = -1;

	for (int i = 0; i < CHOICES; i++)
		longs[i] = choices[i].option;
	while (code == EX_OK && (c = getopt_long(argc, argv, "c:s:h", longs, &at)) != -1) {
		code = take_option(c, at >= 0 ? &choices[at] : NULL, out, asked);
		at = -1;
	}
	out->words = argv + optind;
	out->count = argc - optind;
	return code;
}

int main(int argc, char **argv)
{
	struct ctl_command command = { .file = LOAD_DEFAULT_FILE };
	struct asked asked = { 0 };
	int code = parse_options(argc, argv, &command, &asked);

	if (code == EX_OK && asked.wants_version)
		puts("posternctl " POSTERN_VERSION);
	else if (code == EX_OK)
		code = run_verb(&command, &asked);
	json_decref(command.filter);
	/* What could not be written was not said. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "posternctl: writing: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return code;
}
