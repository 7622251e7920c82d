/* tests/unit/relay/rig.h: a loop that runs until something is so, and a relay with its jobs on it. */
#pragma once

#include "fake.h"
#include "relay/relay.h"

struct rig {
	struct loop *loop;
	struct lane *lane;
	struct counters counters;
	struct relay *relay;
	struct timer tick;
	bool (*is_so)(void *user);
	void *user;
	int64_t give_up_ms;
	bool has_given_up, is_freed;
};

void rig_start(struct rig *rig);
/* Runs the loop until is_so(), which is asked every few ms; fails the test after 30 s. */
void rig_until(struct rig *rig, bool (*is_so)(void *user), void *user);
/* A relay with sensible settings for these smarthosts. */
void rig_relay(struct rig *rig, const struct relay_smarthost *to, size_t count);
struct relay_conf rig_relay_conf(struct rig *rig, const struct relay_smarthost *to, size_t count);
/* Frees the relay, if there is one, and everything else. */
void rig_stop(struct rig *rig);
/* Plain SMTP to that fake. */
struct relay_smarthost rig_smarthost(const char *name, int port, struct relay_limit *limit);

/* Deadlines are short where the fake answers by FAKE_STALL, and nowhere else: a busy machine is slow too. */
void rig_shorten_stall(struct rig *rig, const char *answer);

struct seen_verdict {
	unsigned count;
	enum relay_outcome outcome;
	int code;
	bool is_untried, takes_dsn;
	char smarthost[32], reason[600], text[200];
};

enum { JOB_RECIPIENTS_MOST = 8 };

struct test_job {
	struct relay_job job; /* first */
	struct relay_source source;
	struct span recipients[JOB_RECIPIENTS_MOST];
	struct span content;
	size_t part_octets; /* given in parts of so many; 0: in one */
	size_t given;
	int error;	 /* in place of the end */
	bool is_dry;	 /* -EAGAIN; relay_more() when it is so no longer */
	size_t stops_at; /* the same from that octet on; 0: never */
	unsigned rewinds, parts;
	unsigned accepted[JOB_RECIPIENTS_MOST];
	struct seen_verdict verdicts[JOB_RECIPIENTS_MOST];
	bool is_done;
};

/* recipients: "a@b c@d" */
void job_init(struct test_job *job, const char *sender, const char *recipients,
	      const char *content);
/* Urgent and open; the content is told of by job_content(). */
void job_open(struct test_job *job, const char *sender, const char *recipients,
	      const char *content);
void job_grow(struct test_job *job, const char *recipient);
void job_content(struct test_job *job);
bool job_is_done(void *job);
