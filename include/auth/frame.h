/* auth/frame.h: what the daemon and an auth worker say to each other.
 *
 * Shape    fixed fields with lengths, no text protocol; encode appends, decode borrows
 * Owns     nothing: the spans of a decoded frame live as long as the octets they were read from
 * Errors   -EINVAL: a frame that is not one; the other side is then given up. Decoding is strict:
 *          nothing may be missing, beyond its bound, or left over
 *
 * A login is asked for as a whole: mechanism and all the client's responses in order, so that no
 * worker is held while a client thinks. That fits PLAIN and LOGIN, whose challenges are constant
 * (auth/mech.h).
 */
#pragma once

#include "base/buf.h"

enum auth_backend { AUTH_BACKEND_USERS, AUTH_BACKEND_SASLAUTHD, AUTH_BACKEND_SASLDB };

enum { AUTH_RESPONSES_MAX = 4, AUTH_NAMES_MAX = 64 };

/* Bounds in octets. */
enum {
	AUTH_PATH_OCTETS_MAX = 4095,
	AUTH_NAME_OCTETS_MAX = 255,	  /* host, realm, account, each domain */
	AUTH_MECHANISMS_OCTETS_MAX = 255, /* of the list, and of the one asked for */
	AUTH_RESPONSE_OCTETS_MAX = 12288, /* one response, decoded */
	AUTH_DETAIL_OCTETS_MAX = 1024,
	AUTH_ANSWER_OCTETS_MAX = 2048, /* what an encoded answer never exceeds */
	AUTH_FRAME_OCTETS_MAX = 65536, /* what no frame exceeds */
};

struct auth_hello {
	enum auth_backend backend;
	struct span users_file;	      /* for AUTH_BACKEND_USERS */
	struct span saslauthd_socket; /* directory or "mux" path; empty: Cyrus's default */
	struct span sasldb_file;
	struct span realm;	/* given to saslauthd and sasldb with the name; may be empty */
	struct span hostname;	/* Cyrus's server FQDN */
	struct span mechanisms; /* "PLAIN LOGIN" */
	struct span domains[AUTH_NAMES_MAX], nt_domains[AUTH_NAMES_MAX];
	size_t domain_count, nt_domain_count;
	bool ignore_case;
	uint32_t cache_seconds; /* users file only; 0: no cache of slow checks */
};

struct auth_request {
	struct span mechanism;
	struct span responses[AUTH_RESPONSES_MAX];
	size_t response_count;
};

#define AUTH_VERDICTS(X)                                                                           \
	X(OK, "ok")                                                                                \
	X(WRONG, "wrong")	      /* name or password */                                       \
	X(MALFORMED, "malformed")     /* the client's response */                                  \
	X(UNAVAILABLE, "unavailable") /* the back end gave no verdict */

enum auth_verdict {
#define X(name, text) AUTH_##name,
	AUTH_VERDICTS(X)
#undef X
};
/* The word of the table, as it stands in the log. */
const char *auth_verdict_name(enum auth_verdict v);

struct auth_answer {
	enum auth_verdict verdict;
	/* Canonical, where one could be read from the response; for the log too. */
	struct span account;
	struct span detail; /* for the log only, never for the client */
};

/* Whether every field keeps its bound: ask this of what a configuration says before it is used. */
bool auth_hello_fits(const struct auth_hello *hello);
/* A hello that does not fit is a bug of the caller. */
void auth_hello_encode(const struct auth_hello *hello, struct buf *out);
int auth_hello_decode(struct span in, struct auth_hello *out);
/* What a client sized is not trusted here: a request beyond the bounds goes without its responses,
 * so that the verdict is AUTH_MALFORMED. */
void auth_request_encode(const struct auth_request *request, struct buf *out);
int auth_request_decode(struct span in, struct auth_request *out);
/* A detail that is too long is cut. */
void auth_answer_encode(const struct auth_answer *answer, struct buf *out);
int auth_answer_decode(struct span in, struct auth_answer *out);
