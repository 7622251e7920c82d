/* auth/frame.h: what the daemon and an auth worker say to each other.
 *
 * Shape    fixed fields with lengths, no text protocol; encode appends, decode borrows
 * Owns     nothing: the spans of a decoded frame live as long as the octets they were read from
 * Errors   -EINVAL: a frame that is not one; the other side is then given up. Decoding is strict:
 *          nothing may be missing, beyond its bound, or left over
 *
 * A login whose challenges are constant (auth/mech.h: PLAIN, LOGIN, EXTERNAL) is asked for as a whole:
 * mechanism and all the client's responses in order. One whose challenges depend on what was said
 * (SCRAM, GSSAPI, CRAM-MD5) is a conversation: each response is a request with the same mechanism and
 * number, sent to the worker that answered CONTINUE before; the first one has no response where the
 * client sent no initial one. Between two of them the worker serves others: no worker is held while a
 * client thinks. It keeps AUTH_CONVERSATIONS_MAX of them, each for AUTH_CONVERSATION_MS; the oldest goes
 * first, and its next request is UNAVAILABLE. Any verdict but CONTINUE ends a conversation. Where a
 * mechanism has its last word with success (SCRAM), it comes as one more challenge, to which the client
 * has an empty response (RFC 4954 section 4), and then OK.
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
	AUTH_CHALLENGE_OCTETS_MAX = 9216,   /* one challenge, not in base64 */
	AUTH_BINDING_OCTETS_MAX = 256,	    /* name and data, each */
	AUTH_CERTIFICATE_OCTETS_MAX = 4096, /* all names of a client certificate */
	AUTH_FILE_STATE_OCTETS_MAX = 64,
	AUTH_ANSWER_OCTETS_MAX = 12288, /* what an encoded answer never exceeds */
	AUTH_FRAME_OCTETS_MAX = 65536,	/* what no frame exceeds */
};

/* Beside the account's own password, none, or in its place: then that one gets AUTH_APP_REQUIRED, and so
 * the back end is asked for it. Not for one that has the form of an app password and is none: one that
 * was withdrawn, and that a phone goes on trying, would get the account locked there. App passwords are
 * looked for first, and hold without the back end: whose account is closed there keeps them until they
 * are taken away. SCRAM takes them as they are shown, PLAIN and LOGIN without their dashes too. */
enum auth_app_passwords {
	AUTH_APP_PASSWORDS_OPTIONAL,
	AUTH_APP_PASSWORDS_NONE,
	AUTH_APP_PASSWORDS_REQUIRED,
};

enum { AUTH_CONVERSATIONS_MAX = 256, AUTH_CONVERSATION_MS = 60 * 1000 };

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
	uint32_t cache_seconds; /* users file, app passwords and sasldb; 0: nothing is remembered */
	/* GSSAPI: the Kerberos keys, that of smtp/hostname among them; empty: the system's. A
	 * principal's realm is taken for a domain: "alice@EXAMPLE.COM" is alice where example.com is
	 * among domains (or is the realm), and where it is this machine's own. With
	 * AUTH_BACKEND_USERS a principal, or the name in a certificate, must stand in the users file;
	 * with the others nobody is asked, and only principals of such realms come in. */
	struct span keytab;
	/* App passwords stand in the users file, whatever the back end. */
	enum auth_app_passwords app_passwords;
};

struct auth_request {
	/* Empty: no login; the answer says whether the back end can be asked: OK or UNAVAILABLE. */
	struct span mechanism;
	uint64_t conversation; /* 0: a whole login. The asker's number, new for each attempt */
	bool is_next; /* not its first request: UNAVAILABLE when the worker has forgotten it */
	bool is_end;  /* the conversation is given up: no responses; the answer means nothing */
	/* -PLUS: what the client named in its first response (auth_mech_binding(): "tls-exporter"), and
	 * the octets; data empty: this connection has no such binding. With that response. */
	struct span binding, binding_data;
	bool has_binding; /* SCRAM: a -PLUS was offered to this client, so "y" is an attack */
	/* EXTERNAL: the names of the verified client certificate, each ended by a NUL. Those beyond
	 * AUTH_CERTIFICATE_OCTETS_MAX are left out. */
	struct span names;
	struct span responses[AUTH_RESPONSES_MAX];
	size_t response_count;
};

#define AUTH_VERDICTS(X)                                                                           \
	X(OK, "ok")                                                                                \
	X(WRONG, "wrong")			 /* name or password */                            \
	X(MALFORMED, "malformed")		 /* the client's response */                       \
	X(UNAVAILABLE, "unavailable")		 /* the back end gave no verdict */                \
	X(CONTINUE, "continue")			 /* challenge is for the client */                 \
	X(APP_REQUIRED, "app-password-required") /* right, but only app passwords may be used */   \
	X(EXPIRED, "expired") /* an app password past its end; not told to the client */

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
	struct span detail;	/* for the log only, never for the client */
	struct span challenge;	/* CONTINUE */
	struct span credential; /* OK: the id of the app password that was used; empty: none was */
	/* OK by an app password, of a whole login: until when (seconds since the epoch) the same login
	 * would be answered so again, as long as the users file is in this state (auth/recent.h). 0:
	 * nobody knows, or cache_seconds are 0. */
	uint64_t good_until_s;
	struct span file_state;
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
