#include "test.h"

#include "auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of "x", by crypt(3). */
#define YESCRYPT "$y$j9T$G0U8zGU.IOHiFvRBTe8Hw1$0gc5bd8LE5/TUYLRtSXoO4bwZTbthf7fbb2PcMjtNAB"
#define SHA512                                                                                     \
	"$6$ciz2CputUSzkJEuF$kpXQlQWV/S2xeKHylG/"                                                  \
	"mxcrB4oUeKLxUdueNASr3zcPcOX3.4rK33jZ7wnQr2cKKoodYdI"                                      \
	"pJYzL6fVCgA7bfJ1"

static char directory[64], path[96];

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/auth-users-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/users", directory);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void write_file(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void write_text(const char *text)
{
	write_file(text, strlen(text));
}

static void assert_file(const char *text)
{
	char content[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, content, sizeof(content) - 1);

	assert_true(n >= 0);
	close(fd);
	content[n] = '\0';
	assert_string_equal(content, text);
}

static struct auth_users *load(void)
{
	struct fault fault = { 0 };
	struct auth_users *users = auth_users_load(path, &fault);

	if (users == NULL)
		fail_msg("%s", fault.text);
	return users;
}

static bool fits(const char *name, const char *password)
{
	struct auth_users *users = load();
	bool yes = auth_password_fits(auth_users_hash(users, span_text(name)), span_text(password));

	auth_users_free(&users);
	return yes;
}

static void add(const char *name, const char *password)
{
	struct fault fault = { 0 };

	if (auth_users_add(path, name, span_text(password), &fault) < 0)
		fail_msg("%s", fault.text);
}

static void reads_names_and_hashes(void **state)
{
	struct auth_users *users;

	(void)state;
	write_text("# our people\n\nalice:" YESCRYPT "\nbob b\xC3\xB6:" SHA512 ":later:fields\n"
		   "carol:" YESCRYPT);
	users = load();
	assert_int_equal(auth_users_count(users), 3);
	assert_string_equal(auth_users_name(users, 0), "alice");
	assert_string_equal(auth_users_name(users, 1), "bob b\xC3\xB6");
	assert_string_equal(auth_users_name(users, 2), "carol");
	assert_null(auth_users_name(users, 3));
	assert_string_equal(auth_users_hash(users, span_text("alice")), YESCRYPT);
	assert_string_equal(auth_users_hash(users, span_text("bob b\xC3\xB6")), SHA512);
	assert_string_equal(auth_users_hash(users, span_text("carol")), YESCRYPT);
	assert_null(auth_users_hash(users, span_text("dave")));
	assert_null(auth_users_hash(users, span_text("Alice")));
	assert_null(auth_users_hash(users, span_text("# our people")));
	assert_null(auth_users_hash(users, span_text("")));
	assert_null(auth_users_hash(users, span_of("alice\0", 6)));
	auth_users_free(&users);
	assert_null(users);
}

static void an_empty_file_has_no_users(void **state)
{
	struct auth_users *users;

	(void)state;
	write_text("");
	users = load();
	assert_int_equal(auth_users_count(users), 0);
	assert_null(auth_users_hash(users, span_text("alice")));
	auth_users_free(&users);
}

static void a_bad_line_is_named(void **state)
{
	static char long_line[3000];
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "alice", "no ':'" },
		{ ":" YESCRYPT, "the name is empty" },
		{ " alice:" YESCRYPT, "white space" },
		{ "alice :" YESCRYPT, "white space" },
		{ "al\x01"
		  "ice:" YESCRYPT,
		  "control" },
		{ "al\xC2\x85ice:" YESCRYPT, "control" },
		{ "al\xFFice:" YESCRYPT, "UTF-8" },
		{ "alice:" YESCRYPT "\r", "control" },
		{ "alice:", "the hash is missing" },
		{ "alice::x", "the hash is missing" },
		{ "alice:secret", "in clear" },
		{ "alice:*", "in clear" },
		{ "alice:ab1F3a.aaaaaa", "in clear" },
		{ "alice:$1$7bX1I4lD$mcTrLBIy2bhBL8SVVGPFJ.", "not accepted" },
		{ "alice:$nosuch$abc", "not accepted" },
		{ "alice:$y$j9T$", "not whole" },
		{ "alice:$y$j9T$G0U8zGU.IOHiFvRBTe8Hw1", "not whole" },
		{ "alice:$6$salt$short", "not whole" },
		{ "alice:$y$j9T$G0U8zGU.IOHiFvRBTe8Hw1$0gc5bd8LE5/TUYLRtSXoO4bwZTbthf7fbb2PcMjtN B",
		  "no hash has" },
		{ long_line, "2048" },
	};
	struct fault fault;
	char text[4096], place[160];

	(void)state;
	memset(long_line, 'x', sizeof(long_line) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "# one\nbob:" YESCRYPT "\n%s\n", cases[i].line);
		write_text(text);
		fault = (struct fault){ 0 };
		assert_null(auth_users_load(path, &fault));
		assert_int_equal(fault.code, -EINVAL);
		snprintf(place, sizeof(place), "%s:3: ", path);
		assert_ptr_equal(strstr(fault.text, place), fault.text);
		if (!strstr(fault.text, cases[i].words))
			fail_msg("case %zu: %s", i, fault.text);
		assert_null(strstr(fault.text, "secret"));
	}
}

static void a_nul_in_a_line_is_refused(void **state)
{
	static const char text[] = "alice\0:" YESCRYPT "\n";
	struct fault fault = { 0 };

	(void)state;
	write_file(text, sizeof(text) - 1);
	assert_null(auth_users_load(path, &fault));
	assert_int_equal(fault.code, -EINVAL);
}

static void a_name_stands_once(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	write_text("alice:" YESCRYPT "\nbob:" YESCRYPT "\nalice:" SHA512 "\n");
	assert_null(auth_users_load(path, &fault));
	assert_int_equal(fault.code, -EINVAL);
	assert_non_null(strstr(fault.text, ":3: alice stands in line 1 already"));
}

static void a_file_open_to_others_is_refused(void **state)
{
	static const struct {
		mode_t mode;
		bool is_refused;
	} cases[] = { { 0600, false }, { 0640, false }, { 0400, false }, { 0440, false },
		      { 0644, true },  { 0660, true },	{ 0602, true },	 { 0601, true } };

	(void)state;
	write_text("alice:" YESCRYPT "\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault fault = { 0 };
		struct auth_users *users;

		assert_int_equal(chmod(path, cases[i].mode), 0);
		users = auth_users_load(path, &fault);
		assert_int_equal(users == NULL, cases[i].is_refused);
		if (users == NULL) {
			assert_int_equal(fault.code, -EACCES);
			assert_non_null(strstr(fault.text, "chmod"));
		}
		auth_users_free(&users);
	}
}

static void what_is_no_file_is_refused(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_null(auth_users_load(path, &fault));
	assert_int_equal(fault.code, -ENOENT);
	assert_non_null(strstr(fault.text, path));
	assert_non_null(strstr(fault.text, "posternctl user add"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(auth_users_load(path, &fault));
	assert_int_equal(fault.code, -EINVAL);
	assert_null(auth_users_load(directory, &fault));
	assert_int_equal(fault.code, -EINVAL);
}

static void a_file_too_large_is_refused(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	write_text("");
	assert_int_equal(truncate(path, (64 << 20) + 1), 0);
	assert_null(auth_users_load(path, &fault));
	assert_int_equal(fault.code, -EFBIG);
}

static void refresh_sees_each_change(void **state)
{
	struct fault fault = { 0 };
	struct auth_users *users;

	(void)state;
	write_text("alice:" YESCRYPT "\n");
	users = load();
	/* The same size, within the same tick of the kernel's clock. */
	write_text("carol:" YESCRYPT "\n");
	assert_int_equal(auth_users_refresh(users, &fault), 0);
	assert_null(auth_users_hash(users, span_text("alice")));
	assert_non_null(auth_users_hash(users, span_text("carol")));
	assert_int_equal(auth_users_refresh(users, &fault), 0);
	assert_int_equal(fault.code, 0);
	assert_int_equal(auth_users_rm(path, "carol", &fault), 0);
	assert_int_equal(auth_users_refresh(users, &fault), 0);
	assert_int_equal(auth_users_count(users), 0);
	auth_users_free(&users);
}

static void refresh_keeps_the_old_table(void **state)
{
	struct fault fault = { 0 };
	struct auth_users *users;

	(void)state;
	write_text("alice:" YESCRYPT "\n");
	users = load();
	write_text("alice:" YESCRYPT "\nbob\n");
	for (int i = 0; i < 3; i++) {
		fault = (struct fault){ 0 };
		assert_int_equal(auth_users_refresh(users, &fault), -EINVAL);
		assert_non_null(strstr(fault.text, ":2: no ':'"));
	}
	assert_non_null(auth_users_hash(users, span_text("alice")));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(auth_users_refresh(users, &fault), -ENOENT);
	assert_non_null(auth_users_hash(users, span_text("alice")));
	write_text("bob:" YESCRYPT "\n");
	fault = (struct fault){ 0 };
	assert_int_equal(auth_users_refresh(users, &fault), 0);
	assert_int_equal(fault.code, 0);
	assert_null(auth_users_hash(users, span_text("alice")));
	auth_users_free(&users);
}

/* A file that has stood for a while is not read again: one with a flaw neither, and the flaw is
 * told each time. The kernel stamps files by its own clock, so this has to wait for it. */
static void an_old_flaw_is_remembered(void **state)
{
	struct timespec settle = { .tv_nsec = 120000000 };
	struct fault fault = { 0 };
	struct auth_users *users;

	(void)state;
	write_text("alice:" YESCRYPT "\n");
	users = load();
	write_text("alice\n");
	nanosleep(&settle, NULL);
	assert_int_equal(auth_users_refresh(users, &fault), -EINVAL);
	fault = (struct fault){ 0 };
	assert_int_equal(auth_users_refresh(users, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":1: no ':'"));
	auth_users_free(&users);
}

static void adds_changes_and_removes(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	add("alice", "wonderland");
	add("bob", "builder");
	assert_true(fits("alice", "wonderland"));
	assert_true(fits("bob", "builder"));
	assert_false(fits("alice", "builder"));
	assert_int_equal(auth_users_add(path, "alice", span_text("x"), &fault), -EEXIST);
	assert_true(fits("alice", "wonderland"));
	assert_int_equal(auth_users_passwd(path, "alice", span_text("looking glass"), &fault), 0);
	assert_true(fits("alice", "looking glass"));
	assert_false(fits("alice", "wonderland"));
	assert_int_equal(auth_users_passwd(path, "eve", span_text("x"), &fault), -ENOENT);
	assert_int_equal(auth_users_rm(path, "eve", &fault), -ENOENT);
	assert_int_equal(auth_users_rm(path, "alice", &fault), 0);
	assert_false(fits("alice", "looking glass"));
	assert_true(fits("bob", "builder"));
}

static void read_file(char *content, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, content, cap - 1);

	assert_true(n >= 0);
	close(fd);
	content[n] = '\0';
}

static void what_is_not_touched_stays(void **state)
{
	struct fault fault = { 0 };
	char content[4096];

	(void)state;
	write_text("# top\n\nalice:" YESCRYPT ":mail=a@b:x\n# end\nbob:" SHA512 "::y");
	assert_int_equal(auth_users_rm(path, "alice", &fault), 0);
	assert_file("# top\n\n# end\nbob:" SHA512 "::y\n");
	assert_int_equal(auth_users_passwd(path, "bob", span_text("new"), &fault), 0);
	assert_true(fits("bob", "new"));
	read_file(content, sizeof(content));
	assert_string_equal(content + strlen(content) - 4, "=:y\n");
	assert_ptr_equal(strstr(content, "@seed:"), content);
	assert_ptr_equal(strstr(content, "\n# top\n\n# end\nbob:$y$"), strchr(content, '\n'));
}

static void a_flawed_file_is_not_rewritten(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	write_text("alice:" YESCRYPT "\nbob\n");
	assert_int_equal(auth_users_add(path, "carol", span_text("x"), &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":2: "));
	assert_file("alice:" YESCRYPT "\nbob\n");
}

static void names_and_passwords_are_checked(void **state)
{
	static char long_name[300], long_password[600];
	static const char *const bad[] = { "",	      "#alice",	   "al:ice",	" alice", "alice ",
					   "al\nice", "al\x7Fice", "al\xFFice", long_name };
	struct fault fault;

	(void)state;
	memset(long_name, 'n', 256);
	memset(long_password, 'p', 512);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fault = (struct fault){ 0 };
		assert_int_equal(auth_users_add(path, bad[i], span_text("x"), &fault), -EINVAL);
		assert_true(fault.text[0]);
	}
	assert_int_equal(auth_users_add(path, "alice", span_text(""), &fault), -EINVAL);
	assert_int_equal(auth_users_add(path, "alice", span_of("a\0b", 3), &fault), -EINVAL);
	assert_int_equal(auth_users_add(path, "alice", span_text(long_password), &fault), -EINVAL);
	assert_int_equal(access(path, F_OK), -1);
	long_name[255] = long_password[511] = '\0';
	add(long_name, long_password);
	assert_true(fits(long_name, long_password));
}

static mode_t mode_of(const char *file)
{
	struct stat st;

	assert_int_equal(stat(file, &st), 0);
	return st.st_mode & 07777;
}

static void mode_owner_and_link_are_kept(void **state)
{
	struct stat before, after;
	struct fault fault = { 0 };
	char target[128];

	(void)state;
	add("alice", "one");
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(chmod(path, 0440), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 12345, 23456), 0);
	snprintf(target, sizeof(target), "%s/elsewhere", directory);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(auth_users_passwd(path, "alice", span_text("two"), &fault), 0);
	assert_int_equal(stat(target, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_equal(lstat(path, &after), 0);
	assert_true(S_ISLNK(after.st_mode));
	assert_true(fits("alice", "two"));
}

static void a_setgid_directory_hands_on_its_group(void **state)
{
	(void)state;
	assert_int_equal(chmod(directory, 02700), 0);
	add("alice", "one");
	assert_int_equal(mode_of(path), 0640);
}

static void nothing_is_left_behind(void **state)
{
	char left_over[128];
	struct fault fault = { 0 };
	int fd;

	(void)state;
	add("alice", "one");
	snprintf(left_over, sizeof(left_over), "%s/.users.new", directory);
	fd = open(left_over, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(auth_users_passwd(path, "alice", span_text("two"), &fault), 0);
	assert_int_equal(access(left_over, F_OK), -1);
	assert_true(fits("alice", "two"));
}

static void a_missing_directory_is_told(void **state)
{
	struct fault fault = { 0 };
	char nowhere[160];

	(void)state;
	snprintf(nowhere, sizeof(nowhere), "%s/none/users", directory);
	assert_int_equal(auth_users_add(nowhere, "alice", span_text("x"), &fault), -ENOENT);
	assert_non_null(strstr(fault.text, "none"));
}

static void many_at_once_lose_nothing(void **state)
{
	enum { WRITERS = 8 };
	struct auth_users *users;
	pid_t pids[WRITERS];

	(void)state;
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char name[16];

			snprintf(name, sizeof(name), "user%d", i);
			_exit(auth_users_add(path, name, span_text("x"), NULL) ? 1 : 0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	users = load();
	assert_int_equal(auth_users_count(users), WRITERS);
	auth_users_free(&users);
}

static void accepts_each_method(void **state)
{
	static const char *const hashes[] = {
		"$y$j9T$G0U8zGU.IOHiFvRBTe8Hw1$0gc5bd8LE5/TUYLRtSXoO4bwZTbthf7fbb2PcMjtNAB",
		"$gy$j9T$jrLxhPSVyxqvZiAM7jfxu0$DDkKPqdePBsk4Ot9SktyuOWAB2nacRYF3Ez/pmDHTDD",
		"$7$CU..../....hhs6OpamDGqbEKrfE4CVr.$aNdAlsfsZ8BsJEsVJnqjTIvdBlHnB9rzOhajoWJvYC8",
		SHA512,
		"$5$DggMK5SttnHT.L0h$wie14w8aJHlEUdkWdCfYtxRe/pMWy6eCTabWyuFM4p0",
		"$2b$05$KwiVmwms/NQzkDgL1pWU9.CJZmAN5HyJd/gl3pfRhcTSq4ssMeDW6",
		"$2y$05$VORKoaK2IP6vw92jQ40Qn.7SxGts79PTpAXO.YtP2vYOlFNWsaJbm",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text), "alice:%s\n", hashes[i]);
		write_text(text);
		assert_true(fits("alice", "x"));
		assert_false(fits("alice", "y"));
	}
}

static void odd_passwords_do_not_fit(void **state)
{
	static char huge[10240];

	(void)state;
	memset(huge, 'x', sizeof(huge));
	assert_true(auth_password_fits(YESCRYPT, span_text("x")));
	assert_false(auth_password_fits(YESCRYPT, span_of(NULL, 0)));
	assert_false(auth_password_fits(YESCRYPT, span_of("x\0", 2)));
	assert_false(auth_password_fits(YESCRYPT, span_of("x\0y", 3)));
	assert_false(auth_password_fits(YESCRYPT, span_of(huge, sizeof(huge))));
	assert_false(auth_password_fits(NULL, span_text("x")));
	assert_false(auth_password_fits(NULL, span_of(NULL, 0)));
	assert_false(auth_password_fits("*0", span_text("x")));
	assert_false(auth_password_fits("", span_text("x")));
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median_cpu_ns(const char *hash)
{
	enum { ROUNDS = 21 };
	int64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct timespec from, to;

		/* CPU time: other work on the machine must not decide the outcome. */
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		assert_false(auth_password_fits(hash, span_text("wrong")));
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		took[i] = (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	return took[ROUNDS / 2];
}

static void an_unknown_user_costs_the_same(void **state)
{
	int64_t known = median_cpu_ns(YESCRYPT), unknown = median_cpu_ns(NULL);

	(void)state;
	print_message("known %lld us, unknown %lld us\n", (long long)known / 1000,
		      (long long)unknown / 1000);
	assert_true(known < unknown * 3 / 2);
	assert_true(unknown < known * 3 / 2);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(reads_names_and_hashes),
		in_directory(an_empty_file_has_no_users),
		in_directory(a_bad_line_is_named),
		in_directory(a_nul_in_a_line_is_refused),
		in_directory(a_name_stands_once),
		in_directory(a_file_open_to_others_is_refused),
		in_directory(what_is_no_file_is_refused),
		in_directory(a_file_too_large_is_refused),
		in_directory(refresh_sees_each_change),
		in_directory(refresh_keeps_the_old_table),
		in_directory(an_old_flaw_is_remembered),
		in_directory(adds_changes_and_removes),
		in_directory(what_is_not_touched_stays),
		in_directory(a_flawed_file_is_not_rewritten),
		in_directory(names_and_passwords_are_checked),
		in_directory(mode_owner_and_link_are_kept),
		in_directory(a_setgid_directory_hands_on_its_group),
		in_directory(nothing_is_left_behind),
		in_directory(a_missing_directory_is_told),
		in_directory(many_at_once_lose_nothing),
		in_directory(accepts_each_method),
		cmocka_unit_test(odd_passwords_do_not_fit),
		cmocka_unit_test(an_unknown_user_costs_the_same),
	};

	return cmocka_run_group_tests_name("auth/users", tests, NULL, NULL);
}
