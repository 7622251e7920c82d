/* src/ctl/inside.h: the control thread, and how it asks the loops.
 *
 * Shape    one thread serves one connection at a time: read a line, find the verb, write a line.
 *          ctl_gather() posts a question to loops and waits until all have answered
 * Thread   verbs run on the control thread; a question's run() on the loop that it is about
 * Errors   a loop that does not answer within CTL_PATIENCE_MS: the request is refused; the question
 *          frees itself once it has run after all
 */
#pragma once

#include "ctl/ctl.h"

#include <jansson.h>
#include <pthread.h>

enum {
	CTL_REQUEST_OCTETS = 64 * 1024,
	CTL_PATIENCE_MS = 10 * 1000,
	CTL_PAGE_MOST = 500, /* messages of one answer */
};

struct ctl_gather;
struct ctl_part;

struct ctl {
	struct ctl_conf conf;
	struct ctl_shard *shards;
	char *path;
	int listening, stopping; /* stopping: an eventfd, readable once the thread is to end */
	bool is_bound, is_running;
	dev_t device; /* of the socket's file, so that only our own is removed */
	ino_t inode;
	pthread_t thread;
};

/* What is asked, copied to each loop. */
struct ctl_question {
	/* Fills part->answer; or part->fault, when there is something wrong. */
	void (*run)(struct ctl_part *part);
	uint64_t qid;	/* of one message; 0: list */
	uint64_t after; /* list CTL_PAGE_MOST messages with greater qids */
};

/* One loop's share. */
struct ctl_part {
	struct work work;
	struct ctl_gather *gather;
	struct ctl_shard shard; /* none on the main loop */
	json_t *answer;
	struct fault fault;
};

/* Outlives the control socket where a loop answers late; so it has copies of all. */
struct ctl_gather {
	struct ctl_conf conf;
	struct ctl_question question;
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

/* The answer to a request, whatever it is. */
json_t *ctl_answer(struct ctl *ctl, struct span request);
json_t *ctl_refusal(const char *error);

/* Verbs. */
json_t *ctl_status(struct ctl *ctl, const json_t *request);
json_t *ctl_queue(struct ctl *ctl, const json_t *request);
json_t *ctl_reload(struct ctl *ctl, const json_t *request);

/* Text of a peer: octets that are not UTF-8 become U+FFFD. NULL becomes null. */
json_t *ctl_text(const char *text);
/* "2026-11-21T22:11:54Z"; null for 0. */
json_t *ctl_time(int64_t ms);
json_t *ctl_id(uint64_t id);

int ctl_listen(struct ctl *ctl, struct fault *fault);

/* Blocking with a deadline on non-blocking sockets; `stop`, where not -1, ends the wait with
 * -ECANCELED once it is readable. */
int ctl_wait(int fd, short events, int stop, int64_t due_ms);
/* Up to and without the line end; -EMSGSIZE over `most`, -ENODATA when nothing came. */
int ctl_read_line(int fd, int stop, size_t most, int64_t within_ms, struct buf *out);
int ctl_write_all(int fd, int stop, int64_t within_ms, struct span octets);
int64_t ctl_now_ms(void);
