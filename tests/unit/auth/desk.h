/* tests/unit/auth/desk.h: a worker in a process of its own, and a private directory for its back
 * end.
 *
 * Shape    desk_open -> desk_hire(hello) -> desk_ask ... -> desk_dismiss -> desk_close
 * Owns     the directory, the process; the answer's octets until the next one
 */
#pragma once

#include "test.h"

#include "auth/frame.h"

#include <sys/types.h>

/* AddressSanitizer keeps what is freed for a while, so that memory grows; it finds leaks by itself. */
#if defined(__SANITIZE_ADDRESS__)
#define DESK_IS_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DESK_IS_WATCHED 1
#endif
#endif
#ifndef DESK_IS_WATCHED
#define DESK_IS_WATCHED 0
#endif

/* By how much a worker may grow once it has settled. */
#define DESK_GROWTH_KIB (DESK_IS_WATCHED ? 1 << 20 : 256)

/* Exit status of a worker that leaked. */
enum { DESK_LEAK = 98 };

struct desk {
	char directory[64];
	uid_t user; /* what root's worker becomes; 0: no change */
	int fd;
	pid_t pid;
	struct buf frame;
	struct auth_answer answer;
};

void desk_open(struct desk *d);
void desk_close(struct desk *d);
/* The path of a file in the directory; lives until the second next call. */
const char *desk_path(const struct desk *d, const char *name);
void desk_hire(struct desk *d, const struct auth_hello *hello);
/* Closes the worker's socket and returns its exit status. */
int desk_dismiss(struct desk *d);
/* Raw octets as one frame. */
void desk_send(struct desk *d, struct span octets);
/* Waits for an answer. */
enum auth_verdict desk_receive(struct desk *d);
enum auth_verdict desk_ask(struct desk *d, const char *mechanism, const struct span *responses,
			   size_t count);
enum auth_verdict desk_request(struct desk *d, const struct auth_request *request);
/* A step of a conversation; response NULL: none. */
enum auth_verdict desk_say(struct desk *d, const char *mechanism, uint64_t number, bool is_next,
			   const struct span *response);
/* As an asker does that thinks of nothing more: fails the test when another verdict comes. */
void desk_expect(struct desk *d, enum auth_verdict got, enum auth_verdict expected,
		 const char *what);
enum auth_verdict desk_plain(struct desk *d, const char *authzid, const char *name,
			     const char *password);
enum auth_verdict desk_login(struct desk *d, const char *name, const char *password);
/* Fails the test when the detail has not these words. */
void desk_detail_has(const struct desk *d, const char *words);
long desk_resident_kib(const struct desk *d);
unsigned desk_descriptors(const struct desk *d);
/* Names and passwords that people and others may send: whatever they are, they are no reason to say
 * that the back end failed. */
void desk_odd_ones_are_judged(struct desk *d);
