/* src/ctl/inside.h: the control socket's threads, and how they ask the loops.
 *
 * Shape    one thread accepts; each connection has a thread of its own, which reads a line, finds the
 *          verb, and sends what that answers. ctl_gather_*() posts a question to loops and waits
 *          until all have answered
 * Thread   verbs run on their connection's thread; a question's run() on the loop that it is about
 * Errors   a loop that does not answer within CTL_PATIENCE_MS: the request is refused; the question
 *          frees itself once it has run after all
 *
 * Nothing that a loop does for a request is longer than a portion (walk.h), and nothing there waits for
 * a client: who reads slowly, or has gone, holds up only the thread of its own connection.
 */
#pragma once

#include "ctl/ctl.h"

#include <jansson.h>
#include <pthread.h>

enum {
	CTL_REQUEST_OCTETS = 64 * 1024,
	CTL_PATIENCE_MS = 10 * 1000,
	/* For one line of a long answer: somebody may be paging through it. */
	CTL_LINE_MS = 10 * 60 * 1000,
	CTL_CLIENTS_MOST = 32,
	CTL_IDS_MOST = 1000, /* of one request */
	CTL_SHOWN_MOST = 20, /* messages with all their recipients, of one request */
};

struct ctl_gather;
struct ctl_part;

struct ctl {
	struct ctl_conf conf;
	struct ctl_shard *shards;
	char *path;
	int listening, stopping; /* stopping: an eventfd, readable once the threads are to end */
	bool is_bound, is_running;
	dev_t device; /* of the socket's file, so that only our own is removed */
	ino_t inode;
	pthread_t thread;
	struct list clients; /* of the accepting thread */
};

struct ctl_client {
	struct list_node node;
	struct ctl *ctl;
	int fd;
	pthread_t thread;
	_Atomic bool is_over;
};

/* What is asked, copied to each loop. */
struct ctl_question {
	/* Fills part->answer; or part->fault, when there is something wrong. */
	void (*run)(struct ctl_part *part);
	void **mine; /* part->mine for each shard; one that has NULL is not asked. NULL: all are */
};

/* One loop's share. */
struct ctl_part {
	struct work work;
	struct ctl_gather *gather;
	struct ctl_shard shard; /* none on the main loop */
	void *mine;
	json_t *answer;
	struct fault fault;
};

/* Outlives the control socket where a loop answers late; so it has copies of all. */
struct ctl_gather {
	struct ctl_conf conf;
	void (*run)(struct ctl_part *part);
	_Atomic unsigned refs, pending;
	int done; /* an eventfd, readable once all have answered */
	size_t count;
	struct ctl_part parts[];
};

/* Asks every shard's loop, or only the main loop. NULL and a fault: not all answered in time. */
struct ctl_gather *ctl_gather_shards(struct ctl *ctl, const struct ctl_question *question,
				     struct fault *fault);
struct ctl_gather *ctl_gather_main(struct ctl *ctl, const struct ctl_question *question,
				   struct fault *fault);
void ctl_gather_free(struct ctl_gather **gather);

/* One line before the last; takes the reference. False: the client has gone, or we stop. */
bool ctl_send(struct ctl_client *client, json_t *line);
/* Reads the request and answers it. */
void ctl_serve(struct ctl_client *client);

/* The last line of the answer, whatever the request is; NULL: nobody is there to hear it. */
json_t *ctl_answer(struct ctl_client *client, struct span request);
json_t *ctl_refusal(const char *error);
/* With a kind: "usage", what was asked for is none; "missing", a message is not in the queue;
 * "configuration", it is not accepted. posternctl makes its exit status of it. */
json_t *ctl_refusal_as(const char *kind, const char *error);
/* -EINVAL is "usage", -ENOENT is "missing", the others have no kind. */
json_t *ctl_refusal_of(const struct fault *fault);
json_t *ctl_success(void);

/* Verbs, as ctl_answer(). */
json_t *ctl_status(struct ctl_client *client, const json_t *request);
json_t *ctl_list(struct ctl_client *client, const json_t *request);
json_t *ctl_summary(struct ctl_client *client, const json_t *request);
json_t *ctl_show(struct ctl_client *client, const json_t *request);
json_t *ctl_act(struct ctl_client *client, const json_t *request);
json_t *ctl_export(struct ctl_client *client, const json_t *request);
json_t *ctl_reload(struct ctl_client *client, const json_t *request);
json_t *ctl_revoke(struct ctl_client *client, const json_t *request);
json_t *ctl_last_use(struct ctl_client *client, const json_t *request);

/* Text of a peer: octets that are not UTF-8 become U+FFFD. NULL becomes null. */
json_t *ctl_text(const char *text);
/* "2026-11-21T22:11:54Z"; null for 0. */
json_t *ctl_time(int64_t ms);
/* Whole seconds; below 0: 0. */
json_t *ctl_seconds(int64_t ms);
json_t *ctl_id(uint64_t id);

/* Views of a message: in a list, and with all that is known; now_ms: the wall clock's. */
json_t *ctl_message(const struct queue_view *view, int64_t now_ms);
json_t *ctl_whole_message(const struct queue_view *view, int64_t now_ms);
/* What the last reply about a recipient that still waits says, and who that is; NULL: there is none
 * that waits. */
const struct recipient_status *ctl_last_word(const struct queue_view *view, size_t *place_out);
/* Every smarthost as this loop sees it. */
/* What smarthost i was learned to offer, in the words of EHLO; null: nobody has talked to it yet. On the
 * relay's loop. */
json_t *ctl_offers(const struct relay *relay, size_t smarthost);
json_t *ctl_smarthosts(const struct relay *relay);

int ctl_listen(struct ctl *ctl, struct fault *fault);

/* Blocking with a deadline on non-blocking sockets; `stop`, where not -1, ends the wait with
 * -ECANCELED once it is readable. */
int ctl_wait(int fd, short events, int stop, int64_t due_ms);
/* A line without its end. `in` keeps what came behind it for the next call; -EMSGSIZE over `most`,
 * -ENODATA when the peer's end came and nothing is left. */
int ctl_read_line(int fd, int stop, size_t most, int64_t within_ms, struct buf *in,
		  struct buf *line_out);
int ctl_write_all(int fd, int stop, int64_t within_ms, struct span octets);
int64_t ctl_now_ms(void);
