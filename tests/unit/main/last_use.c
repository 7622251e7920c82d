#include "test.h"

#include "../../../src/main/last_use.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64], path[96];

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/last-use-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/last-use", directory);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void put(struct last_use *t, const char *account, const char *credential,
		const char *address, int64_t time_s)
{
	last_use_put_at(t, &(struct ctl_use){ account, credential, address, time_s });
}

/* "alice/k3fz@192.0.2.1=100 ", sorted: the table has no order. */
struct told {
	char *at[64];
	size_t count, most;
};

static bool tell(void *to, const struct ctl_use *use)
{
	struct told *told = to;
	char text[512];

	snprintf(text, sizeof(text), "%s/%s@%s=%lld ", use->account, use->credential, use->address,
		 (long long)use->time_s);
	assert_true(told->count < 64);
	told->at[told->count++] = mem_text(text);
	return told->most == 0 || told->count < told->most;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void assert_holds(struct last_use *t, const char *account, const char *expected)
{
	struct told told = { 0 };
	char all[4096] = "";

	last_use_each(t, account, tell, &told);
	if (told.count)
		qsort(told.at, told.count, sizeof(told.at[0]), compare);
	for (size_t i = 0; i < told.count; i++) {
		strcat(all, told.at[i]);
		free(told.at[i]);
	}
	assert_string_equal(all, expected);
}

static struct last_use *open_table(size_t most)
{
	struct last_use *t = last_use_new(directory, most);
	struct fault fault = { 0 };

	if (last_use_read(t, &fault) < 0)
		fail_msg("%s", fault.text);
	return t;
}

static void write_text(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void the_last_use_counts(void **state)
{
	struct last_use *t = open_table(10);

	(void)state;
	put(t, "alice", "", "192.0.2.1", 100);
	put(t, "alice", "k3fz", "2001:db8::1", 101);
	put(t, "bob", "k3fz", "192.0.2.2", 102);
	put(t, "alice", "", "192.0.2.3", 103);
	assert_holds(t, NULL,
		     "alice/@192.0.2.3=103 alice/k3fz@2001:db8::1=101 bob/k3fz@192.0.2.2=102 ");
	assert_holds(t, "alice", "alice/@192.0.2.3=103 alice/k3fz@2001:db8::1=101 ");
	assert_holds(t, "alic", "");
	last_use_free(&t);
	assert_null(t);
}

/* "a" with "bc" is not "ab" with "c". */
static void names_do_not_run_together(void **state)
{
	struct last_use *t = open_table(10);

	(void)state;
	put(t, "a", "bc", "x", 1);
	put(t, "ab", "c", "x", 2);
	put(t, "abc", "", "x", 3);
	assert_holds(t, NULL, "a/bc@x=1 ab/c@x=2 abc/@x=3 ");
	last_use_free(&t);
}

static void now_is_now(void **state)
{
	struct last_use *t = open_table(10);
	int64_t before = wall_now_ms() / 1000;
	struct told told = { 0 };
	long long at;

	(void)state;
	last_use_put(t, "alice", "", "192.0.2.1");
	last_use_each(t, NULL, tell, &told);
	assert_int_equal(sscanf(told.at[0], "alice/@192.0.2.1=%lld ", &at), 1);
	assert_true(at >= before && at <= wall_now_ms() / 1000);
	free(told.at[0]);
	last_use_free(&t);
}

static void the_oldest_use_goes(void **state)
{
	struct last_use *t = open_table(3);

	(void)state;
	put(t, "a", "", "x", 1);
	put(t, "b", "", "x", 2);
	put(t, "c", "", "x", 3);
	put(t, "a", "", "x", 4);
	put(t, "d", "", "x", 5);
	assert_holds(t, NULL, "a/@x=4 c/@x=3 d/@x=5 ");
	put(t, "e", "", "x", 6);
	put(t, "f", "", "x", 7);
	assert_holds(t, NULL, "d/@x=5 e/@x=6 f/@x=7 ");
	last_use_free(&t);
}

static void what_was_saved_is_read(void **state)
{
	struct last_use *t = open_table(10);
	struct fault fault = { 0 };
	struct stat st;

	(void)state;
	put(t, "b b", "k3fz", "192.0.2.1", 7);
	put(t, "alice", "", "", 8);
	assert_int_equal(last_use_save(t, &fault), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	last_use_free(&t);
	t = open_table(10);
	assert_holds(t, NULL, "alice/@=8 b b/k3fz@192.0.2.1=7 ");
	/* Read is not put: nothing is to be saved. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(last_use_save(t, &fault), 0);
	assert_int_equal(access(path, F_OK), -1);
	put(t, "alice", "", "", 9);
	assert_int_equal(last_use_save(t, &fault), 0);
	assert_int_equal(access(path, F_OK), 0);
	last_use_free(&t);
}

/* More than is kept, and in no order: the newest stay, and go in the order of their time. */
static void a_long_file_is_cut(void **state)
{
	static const char text[] = "5 - x e\n1 - x a\n4 - x d\n2 - x b\n3 - x c\n";
	struct last_use *t;

	(void)state;
	write_text(text, strlen(text));
	t = open_table(3);
	assert_holds(t, NULL, "c/@x=3 d/@x=4 e/@x=5 ");
	put(t, "f", "", "x", 6);
	assert_holds(t, NULL, "d/@x=4 e/@x=5 f/@x=6 ");
	last_use_free(&t);
}

static void damage_is_passed_over(void **state)
{
	static const struct {
		const char *name, *line;
	} cases[] = {
		{ "empty", "" },
		{ "no time", "x - x a" },
		{ "a negative time", "-1 - x a" },
		{ "a huge time", "99999999999999999999 - x a" },
		{ "a time that overflows in ms", "9223372036854775807 - x a" },
		{ "time alone", "1" },
		{ "no account", "1 - x" },
		{ "an empty account", "1 - x " },
		{ "a control", "1 - x a\x01" },
		{ "a DEL", "1 - x a\x7f" },
		{ "no UTF-8", "1 - x \xff" },
		{ "CR", "1 - x a\r" },
	};
	static const char nuls[] = "1 - x a\0b\n2 - x b\n";
	static char text[1024];
	struct last_use *t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = snprintf(text, sizeof(text), "1 - x one\n%s\n2 k x two\n", cases[i].line);

		write_text(text, (size_t)n);
		t = open_table(10);
		print_message("%s\n", cases[i].name);
		assert_holds(t, NULL, "one/@x=1 two/k@x=2 ");
		last_use_free(&t);
	}
	write_text(nuls, sizeof(nuls) - 1);
	t = open_table(10);
	assert_holds(t, NULL, "b/@x=2 ");
	last_use_free(&t);
	snprintf(text, sizeof(text), "1 - x %0256d\n1 %065d x a\n1 - %065d a\n2 - x b\n", 0, 0, 0);
	write_text(text, strlen(text));
	t = open_table(10);
	assert_holds(t, NULL, "b/@x=2 ");
	last_use_free(&t);
}

/* Cut off anywhere, what is read was there: never half a name. */
static void every_prefix_is_read(void **state)
{
	static const char text[] = "1 - x one\n2 k x two\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct last_use *t;

		write_text(text, n);
		t = open_table(10);
		assert_holds(t, NULL,
			     n < 10		    ? ""
			     : n < sizeof(text) - 1 ? "one/@x=1 "
						    : "one/@x=1 two/k@x=2 ");
		last_use_free(&t);
	}
}

static void what_is_no_file_is_told(void **state)
{
	struct fault fault = { 0 };
	struct last_use *t;

	(void)state;
	t = last_use_new(directory, 10);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(last_use_read(t, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, path));
	put(t, "a", "", "x", 1);
	assert_int_equal(last_use_save(t, &fault), 0);
	last_use_free(&t);
	t = open_table(10);
	assert_holds(t, NULL, "a/@x=1 ");
	last_use_free(&t);
}

static void what_cannot_stand_in_a_line_is_not_kept(void **state)
{
	struct last_use *t = open_table(10);
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	put(t, name, "", "x", 1);
	put(t, "", "", "x", 1);
	put(t, "a\nb", "", "x", 1);
	put(t, "a\xff", "", "x", 1);
	put(t, "a", "k 3", "x", 1);
	put(t, "a", "", "x y", 1);
	assert_holds(t, NULL, "");
	last_use_free(&t);
}

static void a_full_disk_keeps_the_old_file(void **state)
{
	struct last_use *t = open_table(10);
	struct rlimit before, limit;
	struct fault fault = { 0 };
	char fresh[112];

	(void)state;
	put(t, "a", "", "x", 1);
	assert_int_equal(last_use_save(t, &fault), 0);
	put(t, "b", "", "x", 2);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(last_use_save(t, &fault), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(fault.text, path));
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	assert_int_equal(access(fresh, F_OK), -1);
	{
		struct last_use *old = open_table(10);

		assert_holds(old, NULL, "a/@x=1 ");
		last_use_free(&old);
	}
	/* It is still to be saved. */
	assert_int_equal(last_use_save(t, &fault), 0);
	last_use_free(&t);
	t = open_table(10);
	assert_holds(t, NULL, "a/@x=1 b/@x=2 ");
	last_use_free(&t);
}

static void each_ends_when_it_is_told(void **state)
{
	struct last_use *t = open_table(1000);
	struct told told = { .most = 3 };

	(void)state;
	for (int i = 0; i < 700; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%d", i);
		put(t, name, "", "x", i);
	}
	last_use_each(t, NULL, tell, &told);
	assert_int_equal(told.count, 3);
	while (told.count)
		free(told.at[--told.count]);
	last_use_free(&t);
}

enum { PUTTERS = 4, PUTS = 20000, NAMES = 500 };

static void *put_many(void *table)
{
	for (int i = 0; i < PUTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%d", i * 7 % NAMES);
		put(table, name, i % 2 ? "k3fz" : "", "192.0.2.1", i);
	}
	return NULL;
}

static bool count(void *to, const struct ctl_use *use)
{
	assert_true(strncmp(use->account, "user", 4) == 0);
	assert_string_equal(use->address, "192.0.2.1");
	++*(size_t *)to;
	return true;
}

/* From several loops, while it is being saved and asked: what is seen is whole. */
static void many_at_once(void **state)
{
	struct last_use *t = open_table(NAMES);
	pthread_t putters[PUTTERS];
	struct fault fault = { 0 };
	size_t seen = 0;

	(void)state;
	for (int i = 0; i < PUTTERS; i++)
		assert_int_equal(pthread_create(&putters[i], NULL, put_many, t), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(last_use_save(t, &fault), 0);
		last_use_each(t, NULL, count, &seen);
	}
	for (int i = 0; i < PUTTERS; i++)
		pthread_join(putters[i], NULL);
	seen = 0;
	last_use_each(t, NULL, count, &seen);
	assert_int_equal(seen, NAMES);
	assert_int_equal(last_use_save(t, &fault), 0);
	last_use_free(&t);
	t = open_table(NAMES);
	seen = 0;
	last_use_each(t, NULL, count, &seen);
	assert_int_equal(seen, NAMES);
	last_use_free(&t);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(the_last_use_counts),
		in_directory(names_do_not_run_together),
		in_directory(now_is_now),
		in_directory(the_oldest_use_goes),
		in_directory(what_was_saved_is_read),
		in_directory(a_long_file_is_cut),
		in_directory(damage_is_passed_over),
		in_directory(every_prefix_is_read),
		in_directory(what_is_no_file_is_told),
		in_directory(what_cannot_stand_in_a_line_is_not_kept),
		in_directory(a_full_disk_keeps_the_old_file),
		in_directory(each_ends_when_it_is_told),
		in_directory(many_at_once),
	};

	return cmocka_run_group_tests_name("main/last_use", tests, NULL, NULL);
}
