/* posternctl queue export. */
#include "ctl.h"

#include "base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int told(const char *path, int code, int exit)
{
	fprintf(stderr, "posternctl: %s: %s\n", path, strerror(code));
	return exit;
}

static int write_part(void *user, json_t *line)
{
	FILE *file = user;
	const json_t *text = json_object_get(line, "content");
	struct span base64 = span_of(json_string_value(text), json_string_length(text));
	struct buf octets = { 0 };
	int code = EX_OK;

	if (base64_decode(base64, &octets) < 0) {
		fprintf(stderr, "posternctl: the answer is not base64\n");
		code = EX_UNAVAILABLE;
	} else if (fwrite(buf_span(&octets).at, 1, octets.len, file) != octets.len) {
		code = told("writing", errno, EX_IOERR);
	}
	buf_fini(&octets);
	return code;
}

static json_t *export_to(const struct ctl_command *command, FILE *file, int *exit_out)
{
	json_t *qids = ctl_qids(command->words, 1, 1);

	return ctl_converse(command, json_pack("{ssso}", "verb", "export", "qids", qids),
			    write_part, file, exit_out);
}

/* Half a message is none: what could not be finished is removed. */
static int export_to_file(const struct ctl_command *command, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int code = EX_OK;
	FILE *file;
	json_t *answer;

	if (fd < 0)
		return told(path, errno, EX_CANTCREAT);
	file = fdopen(fd, "w");
	if (file == NULL) {
		code = told(path, errno, EX_OSERR);
		close(fd);
		unlink(path);
		return code;
	}
	answer = export_to(command, file, &code);
	if (fclose(file) != 0 && code == EX_OK)
		code = told(path, errno, EX_IOERR);
	if (code != EX_OK)
		unlink(path);
	else if (command->is_json)
		ctl_print_json(answer);
	json_decref(answer);
	return code;
}

int ctl_run_queue_export(const struct ctl_command *command)
{
	int code = EX_OK;

	if (!ctl_are_qids(command->words, 1))
		return EX_USAGE;
	if (command->count > 1 && strcmp(command->words[1], "-") != 0)
		return export_to_file(command, command->words[1]);
	if (command->is_json || isatty(STDOUT_FILENO)) {
		fprintf(stderr,
			command->is_json
				? "posternctl: --json needs a FILE for the message\n"
				: "posternctl: a message may steer a terminal: name a FILE\n");
		return EX_USAGE;
	}
	json_decref(export_to(command, stdout, &code));
	return code;
}
