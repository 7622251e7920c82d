#include "test.h"

#include "base/buf.h"
#include "base/require.h"
#include "certificates.h"
#include "ends.h"
#include "issue.h"
#include "sides.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct certificates certificates;
static struct tls_identity *ecdsa, *both, *rsa;

static const struct {
	const char *name;
	gnutls_channel_binding_t kind;
} kinds[] = {
	{ "tls-exporter", GNUTLS_CB_TLS_EXPORTER },
	{ "tls-server-end-point", GNUTLS_CB_TLS_SERVER_END_POINT },
	{ "tls-unique", GNUTLS_CB_TLS_UNIQUE },
};
enum { EXPORTER = 1, END_POINT = 2, UNIQUE = 4 };

/* Each binding is either had, and then as the client has it, or not. */
static void assert_bindings(struct raw *r, const char *name, int had)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		gnutls_datum_t theirs = { NULL, 0 };
		struct buf ours = { 0 };
		int rc;

		buf_put_text(&ours, "p=");
		rc = tls_binding(r->server, span_text(kinds[i].name), &ours);
		if (rc != (had & 1 << i ? 0 : -ENOTSUP))
			fail_msg("%s: %s: %d", name, kinds[i].name, rc);
		if (rc == 0 && !(gnutls_session_is_resumed(r->session) && 1 << i == END_POINT)) {
			assert_int_equal(gnutls_session_channel_binding(r->session, kinds[i].kind,
									&theirs),
					 0);
			assert_true(theirs.size >= 12);
			assert_true(span_eq(span_from(buf_span(&ours), 2),
					    span_of(theirs.data, theirs.size)));
		} else if (rc) {
			assert_span_text(buf_span(&ours), "p=");
		}
		gnutls_free(theirs.data);
		buf_fini(&ours);
	}
}

/* RFC 9266 section 2: a context of no octets, which up to TLS 1.2 is not the same as no context. */
static void exporter_has_an_empty_context(void **state)
{
	static const char *const versions[] = { "NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
	static const char label[] = "EXPORTER-Channel-Binding";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct tls_server_conf conf = { .identity = ecdsa };
		char empty[32], none[32];
		struct buf ours = { 0 };
		struct raw r;

		raw_open(&r, &conf, versions[i], NULL);
		raw_shake(&r);
		assert_int_equal(tls_binding(r.server, span_text("tls-exporter"), &ours), 0);
		gnutls_prf_rfc5705(r.session, sizeof(label) - 1, label, 0, "", 32, empty);
		gnutls_prf_rfc5705(r.session, sizeof(label) - 1, label, 0, NULL, 32, none);
		assert_true(span_eq(buf_span(&ours), span_of(empty, 32)));
		assert_int_equal(memcmp(empty, none, 32) != 0, i == 1);
		raw_close(&r);
		buf_fini(&ours);
	}
}

static void both_sides_have_the_same(void **state)
{
	const struct {
		const char *name, *priority;
		struct tls_server_conf conf;
		int had;
	} cases[] = {
		{ "TLS 1.3", "NORMAL", { .identity = ecdsa }, EXPORTER | END_POINT },
		{ "TLS 1.2",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.2",
		  { .identity = rsa },
		  EXPORTER | END_POINT | UNIQUE },
		{ "TLS 1.2 without extended master secret",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_SESSION_HASH",
		  { .identity = ecdsa },
		  END_POINT },
		{ "TLS 1.0",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.0",
		  { .identity = rsa, .profile = TLS_LEGACY },
		  EXPORTER | END_POINT | UNIQUE },
		{ "TLS 1.0 as it was",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.0:%NO_SESSION_HASH:-KX-ALL:+RSA",
		  { .identity = rsa, .profile = TLS_LEGACY },
		  END_POINT },
		{ "several pairs, RSA",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA",
		  { .identity = both },
		  EXPORTER | END_POINT | UNIQUE },
		{ "several pairs, ECDSA",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA",
		  { .identity = both },
		  EXPORTER | END_POINT | UNIQUE },
		{ "several pairs, TLS 1.3 and RSA",
		  "NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256",
		  { .identity = both },
		  EXPORTER | END_POINT },
		{ "legacy, several pairs",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.1",
		  { .identity = both, .profile = TLS_LEGACY },
		  EXPORTER | END_POINT | UNIQUE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };
		struct raw r;

		raw_open(&r, &cases[i].conf, cases[i].priority, NULL);
		assert_int_equal(tls_binding(r.server, span_text("tls-exporter"), &out), -ENOTSUP);
		raw_shake(&r);
		assert_int_equal(r.server_result, TLS_OK);
		assert_bindings(&r, cases[i].name, cases[i].had);
		assert_int_equal(tls_binding(r.server, span_text("tls-server"), &out), -ENOTSUP);
		assert_int_equal(tls_binding(r.server, span_text("TLS-EXPORTER"), &out), -ENOTSUP);
		assert_int_equal(tls_binding(r.server, span_text(""), &out), -ENOTSUP);
		tls_bye(r.server);
		assert_bindings(&r, "after its end", 0);
		raw_close(&r);
	}
}

/* Of the certificate that was sent, by name; and the same that our own client sees. */
static void end_point_is_of_the_certificate_sent(void **state)
{
	struct issued one = issue(&(struct issue){ .dns = span_text("one.example") });
	struct issued two = issue(&(struct issue){ .dns = span_text("two.example") });
	const struct issued *sent[] = { &one, &two };
	char files[4][128];
	struct tls_identity *identity;
	struct fault fault;

	(void)state;
	for (int i = 0; i < 4; i++)
		snprintf(files[i], sizeof(files[i]), "%s/sni%d", certificates.dir, i);
	issued_write(&one, files[0], files[1]);
	issued_write(&two, files[2], files[3]);
	identity = tls_identity_load((const struct tls_pair[]){ { files[0], files[1] },
								{ files[2], files[3] } },
				     2, &fault);
	assert_non_null(identity);
	for (int i = 0; i < 2; i++) {
		const char *const hosts[] = { "one.example", "two.example" };
		struct buf server = { 0 }, client = { 0 };
		unsigned char wanted[32];
		size_t n = sizeof(wanted);
		struct pair p;

		pair_open(&p, identity, NULL, hosts[i]);
		pair_shake(&p);
		assert_int_equal(p.server_result, TLS_OK);
		assert_int_equal(tls_binding(p.server, span_text("tls-server-end-point"), &server),
				 0);
		assert_int_equal(tls_binding(p.client, span_text("tls-server-end-point"), &client),
				 0);
		gnutls_x509_crt_get_fingerprint(sent[i]->crt, GNUTLS_DIG_SHA256, wanted, &n);
		assert_true(span_eq(buf_span(&server), span_of(wanted, n)));
		assert_true(span_eq(buf_span(&client), span_of(wanted, n)));
		buf_fini(&server);
		buf_fini(&client);
		pair_close(&p);
	}
	tls_identity_unref(&identity);
	for (int i = 0; i < 4; i++)
		unlink(files[i]);
	issued_drop(&one);
	issued_drop(&two);
}

/* RFC 5929 section 4.1 */
static void end_point_is_hashed_as_the_certificate_is(void **state)
{
	static const struct {
		const char *name;
		gnutls_pk_algorithm_t algorithm;
		gnutls_digest_algorithm_t signature, binding; /* 0: none */
	} cases[] = {
		{ "SHA-256", GNUTLS_PK_ECDSA, GNUTLS_DIG_SHA256, GNUTLS_DIG_SHA256 },
		{ "SHA-384", GNUTLS_PK_ECDSA, GNUTLS_DIG_SHA384, GNUTLS_DIG_SHA384 },
		{ "SHA-512", GNUTLS_PK_RSA, GNUTLS_DIG_SHA512, GNUTLS_DIG_SHA512 },
		{ "SHA-1", GNUTLS_PK_RSA, GNUTLS_DIG_SHA1, GNUTLS_DIG_SHA256 },
		{ "MD5", GNUTLS_PK_RSA, GNUTLS_DIG_MD5, GNUTLS_DIG_SHA256 },
		{ "Ed25519", GNUTLS_PK_EDDSA_ED25519, GNUTLS_DIG_SHA512, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* An authority of the kind signs: the leaf's own key must be one that we can serve. */
		struct issued by =
			issue(&(struct issue){ .algorithm = cases[i].algorithm,
					       .digest = cases[i].binding ? 0 : cases[i].signature,
					       .is_ca = true,
					       .common_names = { span_text("CA") } });
		struct issued leaf = issue(&(struct issue){ .issuer = &by,
							    .digest = cases[i].signature,
							    .dns = span_text("localhost") });
		struct tls_pair files;
		char crt[128], key[128];
		struct tls_identity *identity;
		unsigned char wanted[64];
		size_t n = sizeof(wanted);
		struct buf got = { 0 };
		struct fault fault;
		struct pair p;
		int rc;

		snprintf(crt, sizeof(crt), "%s/hash.crt", certificates.dir);
		snprintf(key, sizeof(key), "%s/hash.key", certificates.dir);
		files = (struct tls_pair){ crt, key };
		issued_write(&leaf, crt, key);
		identity = tls_identity_load(&files, 1, &fault);
		assert_non_null(identity);
		pair_open(&p, identity, NULL, "localhost");
		pair_shake(&p);
		assert_int_equal(p.server_result, TLS_OK);
		rc = tls_binding(p.server, span_text("tls-server-end-point"), &got);
		if (rc != (cases[i].binding ? 0 : -ENOTSUP))
			fail_msg("%s: %d", cases[i].name, rc);
		if (rc == 0) {
			gnutls_x509_crt_get_fingerprint(leaf.crt, cases[i].binding, wanted, &n);
			assert_true(span_eq(buf_span(&got), span_of(wanted, n)));
		}
		buf_fini(&got);
		pair_close(&p);
		tls_identity_unref(&identity);
		issued_drop(&leaf);
		issued_drop(&by);
		unlink(crt);
		unlink(key);
	}
}

static void resumed_sessions_have_them_too(void **state)
{
	static const char *const versions[] = { "NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct tls_server_conf conf = { .identity = ecdsa };
		struct buf first = { 0 }, second = { 0 };
		gnutls_datum_t ticket;
		struct raw r;

		raw_open(&r, &conf, versions[i], NULL);
		raw_shake(&r);
		tls_binding(r.server, span_text("tls-server-end-point"), &first);
		ticket = raw_ticket(&r);
		raw_close(&r);
		raw_open(&r, &conf, versions[i], NULL);
		gnutls_session_set_data(r.session, ticket.data, ticket.size);
		raw_shake(&r);
		assert_true(gnutls_session_is_resumed(r.session));
		assert_bindings(&r, versions[i], EXPORTER | END_POINT | (i ? UNIQUE : 0));
		assert_int_equal(tls_binding(r.server, span_text("tls-server-end-point"), &second),
				 0);
		assert_true(first.len == 32 && span_eq(buf_span(&first), buf_span(&second)));
		raw_close(&r);
		gnutls_free(ticket.data);
		buf_fini(&first);
		buf_fini(&second);
	}
}

/* Other people's clients, over a socket: each gets one line with the bindings in hexadecimal. */

static size_t tell_bindings(struct side *side, struct span octets)
{
	struct buf line = { 0 };

	buf_put_span(&side->got, octets);
	if (span_find(buf_span(&side->got), '\n') == side->got.len)
		return octets.len;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct buf value = { 0 };
		int rc = stream_tls_binding(side->stream, span_text(kinds[i].name), &value);

		buf_printf(&line, "%s=", kinds[i].name);
		for (size_t k = 0; k < value.len; k++)
			buf_printf(&line, "%02X", buf_span(&value).at[k]);
		buf_printf(&line, "%s\r\n", rc == 0 ? "" : "none");
		buf_fini(&value);
	}
	buf_printf(&line, "version=%s\r\n", stream_tls_describe(side->stream));
	stream_write(side->stream, buf_span(&line));
	stream_close(side->stream);
	buf_fini(&line);
	return octets.len;
}

static int listen_anywhere(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = 20 };

	require(bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 1) == 0);
	require(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*port = ntohs(at.sin_port);
	return fd;
}

/* Runs the command, with "hello" to say to $PORT, against a listener; what it printed. */
static void run_client(const char *command, const struct tls_server_conf *conf, struct buf *out,
		       struct fault *fault)
{
	struct loop *loop = loop_new("test");
	struct side side = { .data = tell_bindings };
	char line[1024];
	int port, listener = listen_anywhere(&port), fd, words[2];
	size_t n;
	FILE *client;

	/* Its input ends when the connection has ended, and no sooner. */
	require(pipe(words) == 0 && fcntl(words[1], F_SETFD, FD_CLOEXEC) == 0);
	require(write(words[1], "hello\n", 6) == 6);
	snprintf(line, sizeof(line), "exec </dev/fd/%d; PORT=%d; %s", words[0], port, command);
	client = popen(line, "r");
	require(client != NULL);
	close(words[0]);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	require(fd >= 0);
	side_open(&side, loop, fd);
	require(stream_start_tls_server(side.stream, conf));
	run_until(loop, is_closed, &side);
	*fault = side.fault;
	close(words[1]);
	while ((n = fread(line, 1, sizeof(line), client)) > 0)
		buf_put(out, line, n);
	pclose(client);
	close(listener);
	side_fini(&side);
	loop_free(&loop);
}

static bool has(const char *program)
{
	char line[128];

	snprintf(line, sizeof(line), "command -v %s >/dev/null", program);
	return system(line) == 0;
}

/* What stands behind `key` up to the end of the line. */
static struct span value_of(const struct buf *text, const char *key)
{
	struct span all = buf_span(text);
	const unsigned char *at = memmem(all.at, all.len, key, strlen(key));
	struct span rest;
	size_t n = 0;

	if (at == NULL)
		return span_of(NULL, 0);
	rest = span_from(all, (size_t)(at - all.at) + strlen(key));
	while (n < rest.len && rest.at[n] != '\r' && rest.at[n] != '\n')
		n++;
	return span_first(rest, n);
}

static void other_peoples_clients_talk(void **state)
{
#define S_CLIENT "openssl s_client -quiet -connect 127.0.0.1:$PORT -cipher ALL:@SECLEVEL=0 "
#define GNUTLS_CLI "gnutls-cli --insecure -p $PORT 127.0.0.1 --priority NORMAL:-VERS-ALL:"
	static const struct {
		const char *program, *command, *modern, *legacy; /* NULL: refused */
	} cases[] = {
		{ "openssl", S_CLIENT "-tls1 2>&1", NULL, "TLS1.0 " },
		{ "openssl", S_CLIENT "-tls1_1 2>&1", NULL, "TLS1.1 " },
		{ "openssl", S_CLIENT "-tls1_2 2>&1", "TLS1.2 ECDHE-ECDSA", "TLS1.2 ECDHE-RSA" },
		{ "openssl", S_CLIENT "-tls1_3 2>&1", "TLS1.3 ", "TLS1.3 " },
		{ "openssl", S_CLIENT "-tls1 -cipher AES256-SHA:@SECLEVEL=0 2>&1", NULL,
		  "TLS1.0 RSA AES-256-CBC" },
		{ "openssl", S_CLIENT "-tls1 -cipher DHE-RSA-AES128-SHA:@SECLEVEL=0 2>&1", NULL,
		  "TLS1.0 DHE-RSA" },
		{ "gnutls-cli", GNUTLS_CLI "+VERS-TLS1.0 2>&1", NULL, "TLS1.0 " },
		{ "gnutls-cli", GNUTLS_CLI "+VERS-TLS1.1 2>&1", NULL, "TLS1.1 " },
		{ "gnutls-cli", GNUTLS_CLI "+VERS-TLS1.2 2>&1", "TLS1.2 ECDHE-ECDSA",
		  "TLS1.2 ECDHE-RSA" },
		{ "gnutls-cli", GNUTLS_CLI "+VERS-TLS1.3 2>&1", "TLS1.3 ", "TLS1.3 " },
	};
	const struct tls_server_conf confs[] = { { .identity = both },
						 { .identity = both, .profile = TLS_LEGACY } };

	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(cases) / sizeof(cases[0])); i++) {
		const char *wanted = i % 2 ? cases[i / 2].legacy : cases[i / 2].modern;
		struct buf said = { 0 };
		struct fault fault;
		struct span version;

		if (!has(cases[i / 2].program))
			continue;
		run_client(cases[i / 2].command, &confs[i % 2], &said, &fault);
		version = value_of(&said, "version=");
		if (wanted && !span_istarts(version, wanted))
			fail_msg("%s: %.*s; %s", cases[i / 2].command, (int)said.len,
				 (const char *)buf_span(&said).at, fault.text);
		if (wanted == NULL) {
			assert_int_equal(version.len, 0);
			assert_int_equal(fault.code, -EPROTO);
			assert_non_null(strstr(fault.text, "at most; this port wants TLS 1.2"));
		}
		buf_fini(&said);
	}
}

static void other_peoples_clients_have_the_same(void **state)
{
	static const struct {
		const char *program, *command, *ours, *theirs;
	} cases[] = {
		{ "openssl",
		  "openssl s_client -ign_eof -connect 127.0.0.1:$PORT -tls1_3 "
		  "-keymatexport EXPORTER-Channel-Binding -keymatexportlen 32 2>&1",
		  "tls-exporter=", "Keying material: " },
		{ "python3",
		  "python3 -c 'import ssl,socket,sys\n"
		  "c=ssl.create_default_context();c.check_hostname=False;c.verify_mode=0\n"
		  "c.maximum_version=ssl.TLSVersion.TLSv1_2\n"
		  "s=c.wrap_socket(socket.create_connection((\"127.0.0.1\",'$PORT')))\n"
		  "s.send(b\"hello\\n\");f=s.makefile();t=f.read()\n"
		  "print(\"unique: \"+s.get_channel_binding(\"tls-unique\").hex().upper());"
		  "print(t)'",
		  "tls-unique=", "unique: " },
		{ "python3",
		  "python3 -c 'import ssl,socket,sys,hashlib\n"
		  "c=ssl.create_default_context();c.check_hostname=False;c.verify_mode=0\n"
		  "s=c.wrap_socket(socket.create_connection((\"127.0.0.1\",'$PORT')))\n"
		  "s.send(b\"hello\\n\");f=s.makefile();t=f.read()\n"
		  "print(\"point: \"+hashlib.sha256(s.getpeercert(True)).hexdigest().upper());"
		  "print(t)'",
		  "tls-server-end-point=", "point: " },
	};
	const struct tls_server_conf conf = { .identity = both };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf said = { 0 };
		struct fault fault;
		struct span ours, theirs;

		if (!has(cases[i].program))
			continue;
		run_client(cases[i].command, &conf, &said, &fault);
		ours = value_of(&said, cases[i].ours);
		theirs = value_of(&said, cases[i].theirs);
		if (ours.len < 24 || !span_eq(ours, theirs))
			fail_msg("%s: %.*s", cases[i].ours, (int)said.len,
				 (const char *)buf_span(&said).at);
		buf_fini(&said);
	}
}

static int setup(void **state)
{
	struct fault fault;

	(void)state;
	certificates_make(&certificates);
	ecdsa = tls_identity_load(&certificates.ecdsa, 1, &fault);
	rsa = tls_identity_load(&certificates.rsa, 1, &fault);
	both = tls_identity_load((const struct tls_pair[]){ certificates.ecdsa, certificates.rsa },
				 2, &fault);
	return ecdsa && rsa && both ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_identity_unref(&ecdsa);
	tls_identity_unref(&rsa);
	tls_identity_unref(&both);
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exporter_has_an_empty_context),
		cmocka_unit_test(both_sides_have_the_same),
		cmocka_unit_test(end_point_is_of_the_certificate_sent),
		cmocka_unit_test(end_point_is_hashed_as_the_certificate_is),
		cmocka_unit_test(resumed_sessions_have_them_too),
		cmocka_unit_test(other_peoples_clients_talk),
		cmocka_unit_test(other_peoples_clients_have_the_same),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
