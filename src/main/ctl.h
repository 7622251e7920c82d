/* main/ctl.h: posternctl: its verbs, and what they share.
 *
 * Shape    posternctl.c finds the verb in its table; each verb returns an exit code of sysexits(3)
 * Errors   told on standard error in one line; standard output holds only what was asked for
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"
#include "base/secret.h"
#include "conf/conf.h"

#include <jansson.h>

struct ctl_command {
	const char *file;   /* -c */
	const char *socket; /* -s, or NULL: the configuration's */
	bool is_json, is_generated, is_all, is_sure, is_summary;
	const char *by;		     /* of a summary; NULL: reason */
	const char *label, *expires; /* of an app password; NULL: none was given */
	json_t *filter;		     /* NULL: none was given */
	const char *verb;	     /* its last word: "hold" */
	char **words;		     /* what follows the verb */
	int count;
};

int ctl_run_status(const struct ctl_command *command);
int ctl_run_queue_list(const struct ctl_command *command);
int ctl_run_queue_show(const struct ctl_command *command);
int ctl_run_queue_why(const struct ctl_command *command);
int ctl_run_queue_act(const struct ctl_command *command);
int ctl_run_queue_export(const struct ctl_command *command);
int ctl_run_spool_check(const struct ctl_command *command);
int ctl_run_spool_repair(const struct ctl_command *command);
int ctl_run_reload(const struct ctl_command *command);
int ctl_run_user_add(const struct ctl_command *command);
int ctl_run_user_passwd(const struct ctl_command *command);
int ctl_run_user_rm(const struct ctl_command *command);
int ctl_run_user_ls(const struct ctl_command *command);
int ctl_run_app_add(const struct ctl_command *command);
int ctl_run_app_ls(const struct ctl_command *command);
int ctl_run_app_rm(const struct ctl_command *command);

/* "90s", "4h", "2d". */
bool ctl_read_duration(const char *text, long long *ms_out);
/* A condition of a filter, as --from ADDRESS: key "from". -EINVAL: told. */
int ctl_filter_add(struct ctl_command *command, const char *key, const char *value);
/* Whether every word is a QID; told when not. */
bool ctl_are_qids(char **words, int count);
/* Of `words`, at most `most`. */
json_t *ctl_qids(char **words, int count, int most);

/* The configuration; NULL: told, and *exit_out says how to end. */
struct conf *ctl_load(const struct ctl_command *command, int *exit_out);
/* The daemon's last line where it says ok; otherwise NULL, told, and *exit_out. `request` is used up.
 * each() has the lines before it; a code other than 0 from there ends it all, as *exit_out. May be
 * NULL. */
json_t *ctl_converse(const struct ctl_command *command, json_t *request,
		     int (*each)(void *user, json_t *line), void *user, int *exit_out);
json_t *ctl_request(const struct ctl_command *command, json_t *request, int *exit_out);
/* The whole views of messages, in the order of their ids: *messages_out, *missing_out are arrays. */
int ctl_ask_whole(const struct ctl_command *command, json_t **messages_out, json_t **missing_out);
/* Names on standard error what is not in the queue. Exit code. */
int ctl_tell_missing(const json_t *missing);
/* Tells a fault and gives the exit code that fits it; `otherwise` for codes that say little. */
int ctl_told(const struct fault *fault, int otherwise);

/* One line of JSON, ASCII only. */
void ctl_print_json(const json_t *answer);
/* Text as it may stand on a terminal: controls as \xNN, ends of lines as spaces. */
void ctl_print_text(const char *text, int width);
/* As one word: spaces as \x20; nothing as -. */
void ctl_print_word(const char *text, int width);
/* "4 h 12 min". */
void ctl_put_seconds(long long seconds, struct buf *out);
/* "451 4.2.2 the mailbox is full", of an object with code, status and `text`. */
void ctl_put_reply(const json_t *object, const char *text, struct buf *out);
/* Why a smarthost is left alone, without its address, which stands before it in all that we print. */
const char *ctl_reason_of(const json_t *smarthost);
const char *ctl_field(const json_t *object, const char *key);
long long ctl_number(const json_t *object, const char *key);
bool ctl_is_true(const json_t *object, const char *key);

/* "2026-11-21T22:11:54Z". */
void ctl_put_time(long long seconds, struct buf *out);

/* The account that a login by this name means, to be freed; NULL: told. Says so where it is another. */
char *ctl_account(const struct conf *conf, const char *given);
/* Tells why the users file could not be changed, and gives the exit code. */
int ctl_told_change(const struct fault *fault);
/* A users file that root has just made must be readable for the login workers. */
void ctl_give_to_workers(const struct conf *conf);
/* As ctl_converse(), but tells nothing: NULL without a fault where the daemon does not run. */
json_t *ctl_ask_if_there(const struct ctl_command *command, const struct conf *conf,
			 json_t *request, void (*each)(void *user, const json_t *line), void *user,
			 struct fault *fault);
/* Ends the sessions of an account (`credentials` NULL: all; else those by these app passwords), and tells
 * how many there were; sets "sessions" in `answer`, null where the daemon does not run. Exit code. */
int ctl_end_sessions(const struct ctl_command *command, const struct conf *conf,
		     const char *account, const json_t *credentials, json_t *answer);

/* A password for `name`: typed twice, or one line of standard input, or made by us. Exit code. */
int ctl_password(const struct ctl_command *command, const char *name, struct secret *out);
