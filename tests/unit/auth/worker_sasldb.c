#include "desk.h"

#include <fcntl.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct desk desk;
static char file[128];

/* The real tool makes the real file. */
static void add(const char *name, const char *realm, const char *password)
{
	int to[2], status;
	pid_t pid;

	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0) {
		dup2(to[0], 0);
		close(to[1]);
		execl("/usr/sbin/saslpasswd2", "saslpasswd2", "-p", "-c", "-f", file, "-u", realm,
		      name, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	assert_int_equal(write(to[1], password, strlen(password)), strlen(password));
	close(to[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("saslpasswd2 (Debian: sasl2-bin) failed: status %d", status);
}

static struct auth_hello hello_for(const char *realm)
{
	return (struct auth_hello){
		.backend = AUTH_BACKEND_SASLDB,
		.sasldb_file = span_text(file),
		.realm = span_text(realm),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN LOGIN"),
		.nt_domains = { span_text("EXAMPLE") },
		.nt_domain_count = 1,
	};
}

static int set_up(void **state)
{
	(void)state;
	desk_open(&desk);
	snprintf(file, sizeof(file), "%s", desk_path(&desk, "sasldb2"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

static void tells_right_from_wrong(void **state)
{
	static const struct {
		const char *authzid, *name, *password;
		enum auth_verdict verdict;
		const char *account, *detail;
	} cases[] = {
		{ "", "alice", "wonderland", AUTH_OK, "alice", "" },
		{ "", "alice@example.com", "wonderland", AUTH_OK, "alice", "" },
		{ "", "EXAMPLE\\alice", "wonderland", AUTH_OK, "alice", "" },
		{ "alice", "alice@example.com", "wonderland", AUTH_OK, "alice", "" },
		{ "", "alice@other", "elsewhere", AUTH_OK, "alice@other", "" },
		{ "", "alice@other", "wonderland", AUTH_WRONG, "alice@other", "wrong password" },
		{ "", "alice", "elsewhere", AUTH_WRONG, "alice", "wrong password" },
		{ "", "alice", "", AUTH_WRONG, "alice", "empty" },
		{ "", "eve", "wonderland", AUTH_WRONG, "eve", "no such user" },
		{ "bob", "alice", "wonderland", AUTH_WRONG, "alice", "another account" },
		{ "", " alice", "wonderland", AUTH_MALFORMED, "", "white space" },
	};
	struct auth_hello hello = hello_for("example.com");

	(void)state;
	add("alice", "example.com", "wonderland");
	add("alice", "other", "elsewhere");
	desk_hire(&desk, &hello);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(desk_plain(&desk, cases[i].authzid, cases[i].name,
					    cases[i].password),
				 cases[i].verdict);
		assert_span_text(desk.answer.account, cases[i].account);
		desk_detail_has(&desk, cases[i].detail);
		if (!cases[i].authzid[0])
			assert_int_equal(desk_login(&desk, cases[i].name, cases[i].password),
					 cases[i].verdict);
	}
	assert_int_equal(desk_dismiss(&desk), 0);
}

static void without_a_realm_it_is_the_host(void **state)
{
	struct auth_hello hello = hello_for("");

	(void)state;
	add("alice", "relay.example.com", "wonderland");
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	assert_span_text(desk.answer.account, "alice");
	assert_int_equal(desk_plain(&desk, "", "alice", "wrong"), AUTH_WRONG);
}

/* Octets that the worker has read from files; -1: not to be seen by who runs this. */
static long octets_read(void)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/io", (long)desk.pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "rchar: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static long cost_of_login(void)
{
	long before = octets_read();

	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	return octets_read() - before;
}

/* Not before the file is old enough that its times tell one state of it from the next. */
static void is_asked_once_while_it_stays_as_it_is(void **state)
{
	struct auth_hello hello = hello_for("example.com");
	unsigned tries = 0;

	(void)state;
	hello.cache_seconds = 60;
	add("alice", "example.com", "wonderland");
	desk_hire(&desk, &hello);
	if (octets_read() >= 0)
		while (cost_of_login() > 0)
			assert_true(tries++ < 100000);
	assert_int_equal(desk_plain(&desk, "", "alice", "wrong"), AUTH_WRONG);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	add("alice", "example.com", "changed");
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_WRONG);
	assert_int_equal(desk_plain(&desk, "", "alice", "changed"), AUTH_OK);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "changed"), AUTH_UNAVAILABLE);
	assert_int_equal(desk_dismiss(&desk), 0);
}

static void a_missing_file_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for("example.com");

	(void)state;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, file);
	desk_detail_has(&desk, "saslpasswd2");
	add("alice", "example.com", "wonderland");
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
}

static void a_file_that_is_none_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for("example.com");
	static const char noise[8192] = "this is no Berkeley DB";
	int fd = open(file, O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
	close(fd);
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, file);
	print_message("%.*s\n", (int)desk.answer.detail.len, (const char *)desk.answer.detail.at);
}

/* Root may read all: there the worker has to be somebody else. */
static void a_file_not_readable_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for("example.com");

	(void)state;
	add("alice", "example.com", "wonderland");
	assert_int_equal(chmod(desk.directory, 0755), 0);
	assert_int_equal(chmod(file, 0), 0);
	desk.user = 65534;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "Permission denied");
	desk_detail_has(&desk, "group is sasl");
}

static uint64_t number;

static enum auth_verdict cram_begin(void)
{
	return desk_say(&desk, "CRAM-MD5", ++number, false, NULL);
}

static enum auth_verdict cram_end(const char *response)
{
	struct span said = span_text(response);

	return desk_say(&desk, "CRAM-MD5", number, true, &said);
}

/* As Eudora does it. */
static enum auth_verdict cram(const char *name, const char *password, bool in_capitals)
{
	struct hmac_md5_ctx ctx;
	unsigned char digest[16];
	char response[600];
	int n;

	desk_expect(&desk, cram_begin(), AUTH_CONTINUE, name);
	hmac_md5_set_key(&ctx, strlen(password), (const uint8_t *)password);
	hmac_md5_update(&ctx, desk.answer.challenge.len, desk.answer.challenge.at);
	hmac_md5_digest(&ctx, sizeof(digest), digest);
	n = snprintf(response, sizeof(response), "%s ", name);
	for (size_t i = 0; i < sizeof(digest); i++)
		n += in_capitals ? snprintf(response + n, 3, "%02X", digest[i])
				 : snprintf(response + n, 3, "%02x", digest[i]);
	return cram_end(response);
}

static void hire_for_cram(enum auth_app_passwords apps)
{
	struct auth_hello hello = hello_for("example.com");

	hello.mechanisms = span_text("PLAIN LOGIN CRAM-MD5");
	hello.app_passwords = apps;
	desk_hire(&desk, &hello);
}

static void cram_tells_right_from_wrong(void **state)
{
	static const struct {
		const char *name, *password;
		enum auth_verdict verdict;
		const char *account, *detail;
	} cases[] = {
		{ "alice", "wonderland", AUTH_OK, "alice", "" },
		{ "alice@example.com", "wonderland", AUTH_OK, "alice", "" },
		{ "EXAMPLE\\alice", "wonderland", AUTH_OK, "alice", "" },
		{ "alice@other", "elsewhere", AUTH_OK, "alice@other", "" },
		{ "white rabbit", "late", AUTH_OK, "white rabbit", "" },
		{ "alice", "Wonderland", AUTH_WRONG, "alice", "wrong password" },
		{ "alice", "elsewhere", AUTH_WRONG, "alice", "wrong password" },
		{ "alice@other", "wonderland", AUTH_WRONG, "alice@other", "wrong password" },
		{ "eve", "wonderland", AUTH_WRONG, "eve", "no such user" },
		{ " alice", "wonderland", AUTH_MALFORMED, "", "white space" },
		{ "", "wonderland", AUTH_MALFORMED, "", "the name is empty" },
	};

	(void)state;
	add("alice", "example.com", "wonderland");
	add("alice", "other", "elsewhere");
	add("white rabbit", "example.com", "late");
	hire_for_cram(AUTH_APP_PASSWORDS_OPTIONAL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned capitals = 0; capitals < 2; capitals++) {
			desk_expect(&desk, cram(cases[i].name, cases[i].password, capitals),
				    cases[i].verdict, cases[i].name);
			assert_span_text(desk.answer.account, cases[i].account);
			desk_detail_has(&desk, cases[i].detail);
			assert_int_equal(desk.answer.challenge.len, 0);
			desk_expect(&desk, cram_end("x"), AUTH_UNAVAILABLE, "over");
		}
	assert_int_equal(desk_dismiss(&desk), 0);
}

/* RFC 2195 section 2: "<" random "." time "@" host ">", never the same. */
static void cram_asks_first_and_anew(void **state)
{
	struct span initial = span_text("alice 0123456789abcdef0123456789abcdef");
	char before[256] = "";

	(void)state;
	add("alice", "example.com", "wonderland");
	hire_for_cram(AUTH_APP_PASSWORDS_OPTIONAL);
	for (unsigned i = 0; i < 10; i++) {
		struct span challenge;

		assert_int_equal(cram_begin(), AUTH_CONTINUE);
		challenge = desk.answer.challenge;
		assert_true(challenge.len > 20 && challenge.len < sizeof(before));
		assert_int_equal(challenge.at[0], '<');
		assert_span_text(span_from(challenge, challenge.len - 19), "@relay.example.com>");
		assert_false(span_eq(challenge, span_text(before)));
		memcpy(before, challenge.at, challenge.len);
		before[challenge.len] = '\0';
	}
	desk_expect(&desk, desk_say(&desk, "CRAM-MD5", ++number, false, &initial), AUTH_MALFORMED,
		    "an initial response");
	desk_detail_has(&desk, "the server speaks first");
}

static void cram_refuses_what_is_malformed(void **state)
{
	static const char *const responses[] = {
		"",
		" ",
		"alice",
		"alice ",
		"alice 0123456789abcdef0123456789abcde",
		"alice0123456789abcdef0123456789abcdef",
		"alice 0123456789abcdef0123456789abcdeg",
		"0123456789abcdef0123456789abcdef",
		" 0123456789abcdef0123456789abcdef",
		"alice\t0123456789abcdef0123456789abcdef",
		"alice 0123456789abcdef0123456789abcdef ",
	};

	(void)state;
	add("alice", "example.com", "wonderland");
	hire_for_cram(AUTH_APP_PASSWORDS_OPTIONAL);
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		assert_int_equal(cram_begin(), AUTH_CONTINUE);
		desk_expect(&desk, cram_end(responses[i]), AUTH_MALFORMED, responses[i]);
	}
	desk_expect(&desk, cram("alice", "wonderland", false), AUTH_OK, "alice");
}

static void cram_is_no_app_password(void **state)
{
	(void)state;
	add("alice", "example.com", "wonderland");
	hire_for_cram(AUTH_APP_PASSWORDS_REQUIRED);
	desk_expect(&desk, cram("alice", "wonderland", false), AUTH_APP_REQUIRED, "right");
	desk_expect(&desk, cram("alice", "wrong", false), AUTH_WRONG, "wrong");
}

static void cram_without_a_file_is_no_verdict(void **state)
{
	(void)state;
	hire_for_cram(AUTH_APP_PASSWORDS_OPTIONAL);
	desk_expect(&desk, cram_begin(), AUTH_UNAVAILABLE, "no file");
	desk_detail_has(&desk, "saslpasswd2");
	add("alice", "example.com", "wonderland");
	desk_expect(&desk, cram("alice", "wonderland", false), AUTH_OK, "made");
}

/* Also those that begin and say no more. */
static void bad_cram_leaves_nothing(void **state)
{
	long before = 0;

	(void)state;
	add("alice", "example.com", "wonderland");
	hire_for_cram(AUTH_APP_PASSWORDS_OPTIONAL);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(cram_begin(), AUTH_CONTINUE);
		if (i % 3)
			assert_int_equal(cram(i % 2 ? "alice" : "eve", "wrong", false), AUTH_WRONG);
		if (i == 1000)
			before = desk_resident_kib(&desk);
	}
	print_message("resident after 1,000: %ld KiB, after 3,000: %ld KiB\n", before,
		      desk_resident_kib(&desk));
	assert_true(desk_resident_kib(&desk) <= before + DESK_GROWTH_KIB);
	assert_int_equal(desk_dismiss(&desk), 0);
}

static void bad_attempts_leave_nothing(void **state)
{
	struct auth_hello hello = hello_for("example.com");
	long before = 0;

	(void)state;
	add("alice", "example.com", "wonderland");
	desk_hire(&desk, &hello);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(desk_plain(&desk, "", i % 2 ? "alice" : "eve", "wrong"),
				 AUTH_WRONG);
		if (i == 500)
			before = desk_resident_kib(&desk);
	}
	print_message("resident after 500: %ld KiB, after 3,000: %ld KiB\n", before,
		      desk_resident_kib(&desk));
	assert_true(desk_resident_kib(&desk) <= before + DESK_GROWTH_KIB);
}

static void odd_ones_are_judged(void **state)
{
	struct auth_hello hello = hello_for("example.com");

	(void)state;
	add("alice", "example.com", "wonderland");
	desk_hire(&desk, &hello);
	desk_odd_ones_are_judged(&desk);
	desk_dismiss(&desk);
	hello = hello_for("");
	desk_hire(&desk, &hello);
	desk_odd_ones_are_judged(&desk);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(odd_ones_are_judged),
		in_directory(tells_right_from_wrong),
		in_directory(without_a_realm_it_is_the_host),
		in_directory(is_asked_once_while_it_stays_as_it_is),
		in_directory(a_missing_file_is_no_verdict),
		in_directory(a_file_that_is_none_is_no_verdict),
		in_directory(a_file_not_readable_is_no_verdict),
		in_directory(bad_attempts_leave_nothing),
		in_directory(cram_tells_right_from_wrong),
		in_directory(cram_asks_first_and_anew),
		in_directory(cram_refuses_what_is_malformed),
		in_directory(cram_is_no_app_password),
		in_directory(cram_without_a_file_is_no_verdict),
		in_directory(bad_cram_leaves_nothing),
	};

	return cmocka_run_group_tests_name("auth/worker-sasldb", tests, NULL, NULL);
}
