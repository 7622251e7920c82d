/* What a session costs, as far as it can be counted: suites and groups, flights, records, tickets. */
#include "test.h"

#include "certificates.h"
#include "ends.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

static struct certificates certificates;
static struct tls_identity *identity;
static struct tls_server_conf conf;

enum { RECORDS_MOST = 16, HEADER = 5 };

/* The records that wait for the client. */
static unsigned records_for(const struct raw *r)
{
	struct span left = buf_span(&r->end.in);
	unsigned count = 0;

	for (; left.len; count++) {
		assert_true(left.len >= HEADER);
		left = span_from(left, HEADER + ((size_t)left.at[3] << 8 | left.at[4]));
	}
	return count;
}

struct flights {
	unsigned count;			/* of the server's in which there was anything */
	unsigned records[RECORDS_MOST]; /* by flight */
};

static struct flights shake(struct raw *r)
{
	struct flights f = { 0 };

	r->rc = GNUTLS_E_AGAIN;
	while (r->rc == GNUTLS_E_AGAIN || r->server_result == TLS_AGAIN) {
		if (r->rc == GNUTLS_E_AGAIN)
			r->rc = gnutls_handshake(r->session);
		assert_int_equal(r->end.in.len, 0);
		if (r->server_result == TLS_AGAIN)
			r->server_result = tls_handshake(r->server, &r->fault);
		if (r->end.in.len) {
			assert_true(f.count < RECORDS_MOST);
			f.records[f.count++] = records_for(r);
		}
	}
	assert_int_equal(r->rc, 0);
	assert_int_equal(r->server_result, TLS_OK);
	return f;
}

static void open_shaken(struct raw *r)
{
	raw_open(r, &conf, "NORMAL", NULL);
	shake(r);
}

#define WITHOUT_1_3 ":-VERS-ALL:+VERS-TLS1.2"
#define CURVES ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
#define DEAR_FIRST ":-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM"

/* SHA-384 comes with AES-256 and nothing else; a second flight of the server would be a round trip more. */
static void offers_get_the_cheapest_that_they_hold(void **state)
{
	static const struct {
		const char *name, *priority;
		unsigned flags;
		const char *description;
		unsigned flights;
	} cases[] = {
		{ "GnuTLS", "NORMAL", 0, "TLS1.3 ECDHE-X25519 AES-128-GCM", 1 },
		{ "GnuTLS, TLS 1.2", "NORMAL" WITHOUT_1_3, 0,
		  "TLS1.2 ECDHE-ECDSA-X25519 AES-128-GCM", 2 },
		{ "OpenSSL: AES-256 first, one share",
		  "NORMAL" DEAR_FIRST CURVES ":+GROUP-X448:+GROUP-SECP521R1", GNUTLS_KEY_SHARE_TOP,
		  "TLS1.3 ECDHE-X25519 AES-128-GCM", 1 },
		{ "OpenSSL, TLS 1.2", "NORMAL" WITHOUT_1_3 DEAR_FIRST CURVES, 0,
		  "TLS1.2 ECDHE-ECDSA-X25519 AES-128-GCM", 2 },
		{ "Schannel: AES-256 first, then AES-128",
		  "NORMAL:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM" CURVES, GNUTLS_KEY_SHARE_TOP,
		  "TLS1.3 ECDHE-X25519 AES-128-GCM", 1 },
		{ "Schannel, TLS 1.2, with CBC",
		  "NORMAL" WITHOUT_1_3 ":-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+AES-256-CBC"
		  ":-GROUP-ALL:+GROUP-SECP256R1:+GROUP-SECP384R1",
		  0, "TLS1.2 ECDHE-ECDSA-SECP256R1 AES-128-GCM", 2 },
		{ "Apple: AES-128 first",
		  "NORMAL:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM"
		  ":+CHACHA20-POLY1305" CURVES ":+GROUP-SECP521R1",
		  GNUTLS_KEY_SHARE_TOP, "TLS1.3 ECDHE-X25519 AES-128-GCM", 1 },
		{ "ChaCha20 first", "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305:+AES-256-GCM" CURVES, 0,
		  "TLS1.3 ECDHE-X25519 AES-256-GCM", 1 },
		{ "P-256 and no other", "NORMAL:-GROUP-ALL:+GROUP-SECP256R1", 0,
		  "TLS1.3 ECDHE-SECP256R1 AES-128-GCM", 1 },
		{ "P-256 first, and no other share", "NORMAL", GNUTLS_KEY_SHARE_TOP,
		  "TLS1.3 ECDHE-SECP256R1 AES-128-GCM", 1 },
		{ "P-384 first, shares of P-384 and X25519",
		  "NORMAL:-GROUP-ALL:+GROUP-SECP384R1:+GROUP-SECP256R1:+GROUP-X25519", 0,
		  "TLS1.3 ECDHE-X25519 AES-128-GCM", 1 },
		{ "AES-256 and no other", "NORMAL:-CIPHER-ALL:+AES-256-GCM", 0,
		  "TLS1.3 ECDHE-X25519 AES-256-GCM", 1 },
		{ "a share of what is not the cheapest",
		  "NORMAL:-GROUP-ALL:+GROUP-SECP384R1:+GROUP-X25519", GNUTLS_KEY_SHARE_TOP,
		  "TLS1.3 ECDHE-X25519 AES-128-GCM", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw r;
		struct flights f;

		raw_open_flags(&r, &conf, cases[i].priority, NULL, cases[i].flags);
		f = shake(&r);
		if (strcmp(tls_describe(r.server), cases[i].description) != 0 ||
		    f.count != cases[i].flights)
			fail_msg("%s: %s in %u flights", cases[i].name, tls_describe(r.server),
				 f.count);
		raw_close(&r);
	}
}

/* Two handshakes, the second one resumed where a ticket may be had. Returns its data. */
static gnutls_datum_t shake_with(const gnutls_datum_t *ticket, struct flights *f)
{
	gnutls_datum_t given;
	struct raw r;

	raw_open(&r, &conf, "NORMAL", NULL);
	if (ticket)
		gnutls_session_set_data(r.session, ticket->data, ticket->size);
	*f = shake(&r);
	assert_int_equal(gnutls_session_is_resumed(r.session), ticket != NULL);
	given = raw_ticket(&r);
	raw_close(&r);
	return given;
}

static void one_flight_of_few_records(void **state)
{
	gnutls_datum_t ticket, again;
	struct flights f;

	(void)state;
	ticket = shake_with(NULL, &f);
	assert_int_equal(f.count, 1);
	/* Hello, change of ciphers, extensions, certificate, its proof, end. */
	assert_int_equal(f.records[0], 6);
	again = shake_with(&ticket, &f);
	assert_int_equal(f.count, 1);
	/* No certificate, no proof. */
	assert_int_equal(f.records[0], 4);
	gnutls_free(ticket.data);
	gnutls_free(again.data);
}

static void one_ticket_goes_with_the_first_reply(void **state)
{
	static const char *const replies[] = { "220 hello\r\n", "250 hello\r\n", "250 ok\r\n" };
	struct fault fault;
	struct raw r;
	char got[64];

	(void)state;
	open_shaken(&r);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(records_for(&r), 0);
		assert_int_equal(tls_write(r.server, span_text(replies[i]), &fault), TLS_OK);
		assert_int_equal(records_for(&r), i == 0 ? 2 : 1);
		while (gnutls_record_recv(r.session, got, sizeof(got)) == GNUTLS_E_AGAIN)
			assert_true(r.end.in.len > 0);
	}
	raw_close(&r);
}

static void no_ticket_where_nobody_listens(void **state)
{
	struct raw r;

	(void)state;
	open_shaken(&r);
	tls_bye(r.server);
	assert_int_equal(records_for(&r), 1);
	raw_close(&r);
}

static void records_of_one_reply(void **state)
{
	static char text[16 * 1024];
	struct fault fault;
	struct raw r;

	(void)state;
	memset(text, 'x', sizeof(text));
	open_shaken(&r);
	tls_write(r.server, span_text("220 hello\r\n"), &fault);
	buf_clear(&r.end.in);
	tls_write(r.server, span_of(text, sizeof(text)), &fault);
	assert_int_equal(records_for(&r), 1);
	raw_close(&r);
}

/* Two pulls a record, its header and the rest; none to hear that there is no more. */
static void dry_wire_is_not_asked(void **state)
{
	struct fault fault;
	struct raw r;
	struct span got;

	(void)state;
	open_shaken(&r);
	for (int i = 0; i < 3; i++) {
		r.server_end.pulls = 0;
		gnutls_record_send(r.session, "RCPT TO:<bob@example.com>\r\n", 27);
		assert_int_equal(tls_read(r.server, &got, &fault), TLS_OK);
		assert_int_equal(got.len, 27);
		assert_int_equal(tls_read(r.server, &got, &fault), TLS_AGAIN);
		assert_int_equal(got.len, 0);
		assert_int_equal(r.server_end.pulls, 2);
	}
	r.server_end.has_peer_ended = true;
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_END);
	raw_close(&r);
}

/* The record that tls_read() gave last, when GnuTLS gets it back. */
static gnutls_datum_t given_back;
static bool is_wiped; /* as much of it as may hold a password */
enum { SECRET_OCTETS = 4096 };

void gnutls_packet_deinit(gnutls_packet_t packet)
{
	static void (*theirs)(gnutls_packet_t);

	if (theirs == NULL)
		*(void **)&theirs = dlsym(RTLD_NEXT, "gnutls_packet_deinit");
	gnutls_packet_get(packet, &given_back, NULL);
	is_wiped = true;
	for (unsigned i = 0; i < given_back.size && i < SECRET_OCTETS; i++)
		is_wiped = is_wiped && given_back.data[i] == 0;
	theirs(packet);
}

/* A copy of what may be a password would be another place to wipe. */
static void records_are_given_where_they_stand_and_wiped(void **state)
{
	static const char line[] = "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n";
	const unsigned char *stood_at;
	struct fault fault;
	struct raw r;
	struct span got;

	(void)state;
	open_shaken(&r);
	gnutls_record_send(r.session, line, sizeof(line) - 1);
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_OK);
	assert_span_text(got, line);
	stood_at = got.at;
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_AGAIN);
	assert_ptr_equal(given_back.data, stood_at);
	assert_int_equal(given_back.size, sizeof(line) - 1);
	assert_true(is_wiped);
	gnutls_record_send(r.session, line, sizeof(line) - 1);
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_OK);
	is_wiped = false;
	raw_close(&r);
	assert_true(is_wiped);
}

/* As much of a long one as a login may take that stands in front of other lines. */
static void front_of_a_long_record_is_wiped(void **state)
{
	char lines[2 * SECRET_OCTETS];
	struct fault fault;
	struct raw r;
	struct span got;

	(void)state;
	memset(lines, 'x', sizeof(lines));
	open_shaken(&r);
	gnutls_record_send(r.session, lines, sizeof(lines));
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_OK);
	assert_int_equal(got.len, sizeof(lines));
	is_wiped = false;
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_AGAIN);
	assert_int_equal(given_back.size, sizeof(lines));
	assert_true(is_wiped);
	raw_close(&r);
}

static struct tls *session_at_rest(void)
{
	gnutls_datum_t ticket;
	struct raw r;

	open_shaken(&r);
	ticket = raw_ticket(&r);
	gnutls_free(ticket.data);
	raw_close_client(&r);
	return r.server;
}

/* 10,000 clients wait in 500 MB, everything included; a session of TLS is to be a small part. (A sanitizer's
 * heap does not count.) */
static void session_at_rest_is_small(void **state)
{
	enum { SESSIONS = 40, MOST = 14 * 1024 };
	struct tls *sessions[SESSIONS], *first = session_at_rest();
	size_t before = mallinfo2().uordblks, held;

	(void)state;
	for (int i = 0; i < SESSIONS; i++)
		sessions[i] = session_at_rest();
	held = (mallinfo2().uordblks - before) / SESSIONS;
	if (held > MOST)
		fail_msg("%zu octets a session", held);
	for (int i = 0; i < SESSIONS; i++)
		tls_free(&sessions[i]);
	tls_free(&first);
}

struct elsewhere {
	const gnutls_datum_t *ticket;
	gnutls_datum_t given;
	unsigned records;
};

static void *shake_elsewhere(void *user)
{
	struct elsewhere *e = user;
	struct flights f;

	e->given = shake_with(e->ticket, &f);
	e->records = f.records[0];
	return NULL;
}

/* Sessions know their identity only: whichever loop the next connection comes to can resume. */
static void other_threads_resume(void **state)
{
	gnutls_datum_t ticket = { NULL, 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct elsewhere e = { .ticket = i ? &ticket : NULL };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, shake_elsewhere, &e), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(e.records, i ? 4 : 6);
		gnutls_free(ticket.data);
		ticket = e.given;
	}
	gnutls_free(ticket.data);
}

static int setup(void **state)
{
	struct fault fault;

	(void)state;
	certificates_make(&certificates);
	identity = tls_identity_load(&certificates.ecdsa, 1, &fault);
	conf = (struct tls_server_conf){ .identity = identity, .scope = "submission" };
	return identity ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_identity_unref(&identity);
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_get_the_cheapest_that_they_hold),
		cmocka_unit_test(one_flight_of_few_records),
		cmocka_unit_test(one_ticket_goes_with_the_first_reply),
		cmocka_unit_test(no_ticket_where_nobody_listens),
		cmocka_unit_test(records_of_one_reply),
		cmocka_unit_test(dry_wire_is_not_asked),
		cmocka_unit_test(records_are_given_where_they_stand_and_wiped),
		cmocka_unit_test(front_of_a_long_record_is_wiped),
		cmocka_unit_test(session_at_rest_is_small),
		cmocka_unit_test(other_threads_resume),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
