/* conf/conf.h: the configuration: every key, its default, its help, in one table.
 *
 * Shape    conf_parse(texts) -> struct conf, read-only from then on
 * Owns     its strings; conf_free() releases all
 * Errors   a fault with file:line, what is wrong and what is accepted. Only what can be judged from
 *          the text alone; files, keys and certificates are checked by main (`posternd -t`)
 * Source   syntax of libconfuse, without +=, ${NAME} and include(); durations "500ms", "30s", "5m",
 *          "4h", "2d"; sizes "64K", "50M", "2G"
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"

enum conf_listen_tls { CONF_LISTEN_STARTTLS, CONF_LISTEN_IMPLICIT };
enum conf_profile { CONF_PROFILE_MODERN, CONF_PROFILE_LEGACY };
enum conf_app_passwords {
	CONF_APP_PASSWORDS_OPTIONAL,
	CONF_APP_PASSWORDS_NONE,
	CONF_APP_PASSWORDS_REQUIRED
};
enum conf_smarthost_tls { CONF_SMARTHOST_STARTTLS, CONF_SMARTHOST_IMPLICIT, CONF_SMARTHOST_NONE };
enum conf_trace { CONF_TRACE_COMPANY, CONF_TRACE_FULL, CONF_TRACE_NONE };
enum conf_handoff { CONF_HANDOFF_HYBRID, CONF_HANDOFF_QUEUE };
enum conf_backend { CONF_BACKEND_USERS, CONF_BACKEND_SASLAUTHD, CONF_BACKEND_SASLDB };
enum conf_log_to { CONF_LOG_AUTO, CONF_LOG_STDERR, CONF_LOG_JOURNAL };

struct conf_list {
	const char **at;
	size_t count;
};

struct conf_durations {
	const int64_t *at; /* ms */
	size_t count;
};

struct conf_place { /* where a section stands, for messages of later checks */
	const char *file;
	int line;
};

struct conf_listen {
	const char *name;
	const char *address; /* "" : all of IPv4 and IPv6 */
	long port; /* default 587, or 465 with implicit; 0: a socket named `name` from systemd */
	enum conf_listen_tls tls;
	enum conf_profile profile;
	struct conf_list users;	     /* accounts; empty: all */
	struct conf_list mechanisms; /* empty: those of login */
	struct conf_list proxies;    /* networks that must speak the PROXY protocol; empty: none */
	const char *client_ca;	     /* "": no client certificates */
	bool auth_line;
	struct conf_place place;
};

struct conf_certificate {
	const char *name, *chain, *key;
	struct conf_place place;
};

struct conf_smarthost {
	const char *name, *host;
	long port; /* default 587, 465 with implicit, 25 with none */
	enum conf_smarthost_tls tls;
	bool verify;
	bool plaintext_over_network;	  /* allows tls = none to other than loopback */
	bool chunking;
	const char *ca_file;		  /* "": the system's */
	const char *user, *password_file; /* "": no login */
	const char *keytab;		  /* "": not by Kerberos */
	long connections, messages, rate;
	int64_t idle_ms, connect_ms, pause_first_ms, pause_most_ms;
	struct conf_place place;
};

struct conf_login {
	enum conf_backend backend;
	enum conf_app_passwords app_passwords;
	const char *users_file, *saslauthd_socket, *sasldb_file, *realm, *keytab;
	struct conf_list mechanisms, domains, nt_domains;
	bool ignore_case;
	long workers, waiting;
	int64_t deadline_ms, cache_ms;
	struct conf_place place;
};

enum { CONF_RECIPIENTS_MOST = 20000 }; /* what the queue can keep of one message */

struct conf_limits {
	int64_t message_octets, line_octets, header_octets, memory_octets;
	long recipients, errors, login_failures, hops;
	long sessions, sessions_per_address;
	int64_t greeting_ms, handshake_ms, command_ms, login_ms, body_ms, answer_ms, overload_ms;
	bool refuse_bare_lf;
};

enum { CONF_RETRIES_MOST = 32 };

struct conf_queue {
	enum conf_handoff handoff;
	const char *directory;
	struct conf_durations retry;
	int64_t patience_ms, warn_ms, expire_ms, future_ms, reserve_octets;
	long active;
	struct conf_place place;
};

struct conf_log {
	enum conf_log_to to;
	long level; /* enum log_level */
};

struct conf {
	/* Where not given: the machine's name; company_domain; hostname without its first label. */
	const char *hostname, *company, *company_domain;
	const char *refusal_footer; /* "": none */
	const char *user, *login_user; /* "": no change; only when started as root */
	const char *control;	       /* path of the control socket */
	long loops;		       /* 0: one per processor */
	enum conf_trace trace;
	struct conf_login login;
	struct conf_limits limits;
	struct conf_queue queue;
	struct conf_log log;
	/* Where these keys stand, for messages of later checks. */
	struct conf_place user_place, login_user_place, control_place;
	struct conf_listen *listens;
	size_t listen_count;
	struct conf_certificate *certificates;
	size_t certificate_count;
	struct conf_smarthost *smarthosts;
	size_t smarthost_count;
	struct conf_store *store; /* private: what everything above points into */
};

struct conf_text {
	const char *file; /* for messages */
	const char *text; /* NUL-terminated */
};

/* The main file first, then those of conf.d in order. They add up: a key that is set again in a
 * later text has the later value, sections with titles are all kept (a title given twice is a
 * fault). `hostname`: the machine's, the default of that key. NULL and a fault on failure. One
 * thread at a time: libconfuse's lexer has state of its own. */
struct conf *conf_parse(const struct conf_text *texts, size_t count, const char *hostname,
			struct fault *fault);
void conf_free(struct conf **conf);
/* The sample: every key with default and help. */
void conf_sample(struct buf *out);
/* The same table as the key section of postern.conf(5), in scdoc. */
void conf_manual(struct buf *out);
/* Every key with its value in force. */
void conf_show(const struct conf *conf, struct buf *out);
