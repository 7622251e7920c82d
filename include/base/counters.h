/* base/counters.h: what `posternctl status` and the metrics show.
 *
 * Shape    one list gives the fields, their names and their help
 * Thread   each field is atomic; relaxed order is enough, none guards anything
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS(X)                                                                                \
	X(sessions_opened, "client connections accepted")                                          \
	X(sessions_open, "client connections open now")                                            \
	X(sessions_refused, "client connections turned away by a limit")                           \
	X(sessions_overload, "client connections turned away because more came than can be served")\
	X(tls_handshakes, "TLS handshakes with clients finished")                                  \
	X(tls_failures, "TLS handshakes with clients failed")                                      \
	X(tls_legacy, "of the finished, those on listeners of the legacy profile")                 \
	X(logins_ok, "logins accepted")                                                            \
	X(logins_legacy, "of the accepted, those on listeners of the legacy profile")              \
	X(logins_failed, "logins refused: wrong name or password")                                 \
	X(logins_unavailable, "logins answered 454: the back end gave no verdict")                 \
	X(sessions_unserved, "client connections answered 421: logins could not be checked")       \
	X(messages_accepted, "messages answered 250")                                              \
	X(messages_refused, "messages refused after DATA")                                         \
	X(messages_passed, "of the accepted, those that the smarthost took while the client waited") \
	X(messages_handed_over, "of the accepted, those stored while their attempt went on")       \
	X(recipients_delivered, "recipients taken by a smarthost")                                 \
	X(recipients_deferred, "delivery attempts of a recipient put off")                         \
	X(recipients_failed, "recipients refused for good, or expired")                            \
	X(bounces_made, "non-delivery notices put in the queue")                                   \
	X(warnings_made, "delay notices put in the queue")                                         \
	X(successes_made, "success notices put in the queue")                                      \
	X(queue_messages, "messages in the queue now")                                             \
	X(queue_held, "of these, held by hand")                                                    \
	X(spool_syncs, "fdatasync calls of the spool")                                             \
	X(spool_commits, "messages made durable")                                                  \
	X(spool_octets, "octets written to the spool")                                             \
	X(spool_failures, "spool writes or syncs that failed")

struct counters {
#define X(name, help) _Atomic uint64_t name;
	COUNTERS(X)
#undef X
};

struct counter_name {
	const char *name, *help;
};

/* In the order of the fields. */
extern const struct counter_name counter_names[];
extern const unsigned counter_count;
/* The value of field i; i < counter_count. */
uint64_t counters_get(struct counters *c, unsigned i);

#define counter_add(field, n) atomic_fetch_add_explicit((field), (uint64_t)(n), memory_order_relaxed)
#define counter_sub(field, n) atomic_fetch_sub_explicit((field), (uint64_t)(n), memory_order_relaxed)
#define counter_get(field) atomic_load_explicit((field), memory_order_relaxed)
