#include "desk.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The real saslauthd, which asks a small IMAP server of ours (its method rimap): so no file of the
 * machine is touched and no user of it needed. */
static struct desk desk;
static pid_t imap, saslauthd;
static char directory[80], mux[100];

static pid_t start(void (*run)(int listener), int listener)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		run(listener);
		_exit(127);
	}
	setpgid(pid, pid);
	return pid;
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		kill(-*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* LOGIN "name" "password"; saslauthd puts both in quotes, or as literals where it must. */
static void serve_imap(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char line[1024], tag[32] = "";
		ssize_t n;
		bool yes;

		dprintf(fd, "* OK ready\r\n");
		n = read(fd, line, sizeof(line) - 1);
		line[n > 0 ? n : 0] = '\0';
		sscanf(line, "%31s", tag);
		yes = strstr(line, "\"alice\" \"wonderland\"") ||
		      strstr(line, "\"alice@other\" \"elsewhere\"") ||
		      strstr(line, "\"alice@example.com\" \"wonderland\"");
		dprintf(fd, "%s %s\r\n", tag, yes ? "OK come in" : "NO go away");
		close(fd);
	}
}

static void run_saslauthd(int listener)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	char where[64];
	int null = open("/dev/null", O_RDWR);

	getsockname(listener, (struct sockaddr *)&a, &n);
	snprintf(where, sizeof(where), "127.0.0.1/%d", ntohs(a.sin_port));
	close(listener);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execl("/usr/sbin/saslauthd", "saslauthd", "-a", "rimap", "-O", where, "-r", "-m", directory,
	      "-n", "1", "-d", (char *)NULL);
}

static bool can_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	memcpy(to.sun_path, mux, sizeof(mux));
	r = connect(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return r == 0;
}

static void start_saslauthd(void)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 10), 0);
	imap = start(serve_imap, listener);
	saslauthd = start(run_saslauthd, listener);
	close(listener);
	for (int i = 0; !can_connect(); i++) {
		if (i == 2000 || waitpid(saslauthd, NULL, WNOHANG) != 0)
			fail_msg("saslauthd (Debian: sasl2-bin) did not start in %s", directory);
		nanosleep(&pause, NULL);
	}
}

static struct auth_hello hello_for(const char *path, const char *realm)
{
	return (struct auth_hello){
		.backend = AUTH_BACKEND_SASLAUTHD,
		.saslauthd_socket = span_text(path),
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
	snprintf(directory, sizeof(directory), "%s/saslauthd", desk.directory);
	snprintf(mux, sizeof(mux), "%s/mux", directory);
	assert_int_equal(mkdir(directory, 0755), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop(&saslauthd);
	stop(&imap);
	desk_close(&desk);
	return 0;
}

static void tells_right_from_wrong(void **state)
{
	static char long_password[1025], huge_password[10241], long_name[256];
	static const struct {
		const char *authzid, *name, *password;
		enum auth_verdict verdict;
		const char *account, *detail;
	} cases[] = {
		{ "", "alice", "wonderland", AUTH_OK, "alice", "" },
		{ "", "EXAMPLE\\alice", "wonderland", AUTH_OK, "alice", "" },
		{ "alice", "alice", "wonderland", AUTH_OK, "alice", "" },
		{ "", "alice@other", "elsewhere", AUTH_OK, "alice@other", "" },
		{ "", "alice@other", "wonderland", AUTH_WRONG, "alice@other", "refused" },
		{ "", "alice", "elsewhere", AUTH_WRONG, "alice", "refused" },
		{ "", "alice", "", AUTH_WRONG, "alice", "empty" },
		{ "", "eve", "wonderland", AUTH_WRONG, "eve", "refused" },
		{ "bob", "alice", "wonderland", AUTH_WRONG, "alice", "another account" },
		{ "", "alice", long_password, AUTH_WRONG, "alice", "refused" },
		{ "", "alice", huge_password, AUTH_WRONG, "alice", "too long" },
		{ "", long_name, "x", AUTH_WRONG, long_name, "refused" },
		{ "", " alice", "wonderland", AUTH_MALFORMED, "", "white space" },
	};
	struct auth_hello hello = hello_for(directory, "");

	(void)state;
	memset(long_password, 'p', sizeof(long_password) - 1);
	memset(huge_password, 'p', sizeof(huge_password) - 1);
	memset(long_name, 'n', sizeof(long_name) - 1);
	start_saslauthd();
	desk_hire(&desk, &hello);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum auth_verdict v =
			desk_plain(&desk, cases[i].authzid, cases[i].name, cases[i].password);

		if (v != cases[i].verdict)
			fail_msg("case %zu: %s (%.*s)", i, auth_verdict_name(v),
				 (int)desk.answer.detail.len, (const char *)desk.answer.detail.at);
		assert_span_text(desk.answer.account, cases[i].account);
		desk_detail_has(&desk, cases[i].detail);
		if (!cases[i].authzid[0])
			assert_int_equal(desk_login(&desk, cases[i].name, cases[i].password),
					 cases[i].verdict);
	}
	assert_int_equal(desk_dismiss(&desk), 0);
}

/* saslauthd -r puts name and realm together again. */
static void the_realm_goes_with_the_name(void **state)
{
	struct auth_hello hello = hello_for(mux, "example.com");

	(void)state;
	start_saslauthd();
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	assert_span_text(desk.answer.account, "alice");
	assert_int_equal(desk_plain(&desk, "", "alice@example.com", "wonderland"), AUTH_OK);
	assert_span_text(desk.answer.account, "alice");
	assert_int_equal(desk_plain(&desk, "", "alice@other", "elsewhere"), AUTH_OK);
	assert_int_equal(desk_login(&desk, "alice", "elsewhere"), AUTH_WRONG);
}

static void one_that_is_not_there_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for(directory, "");

	(void)state;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	assert_span_text(desk.answer.account, "alice");
	desk_detail_has(&desk, mux);
	desk_detail_has(&desk, "No such file");
	desk_detail_has(&desk, "start it");
	assert_int_equal(desk_login(&desk, "alice", "wonderland"), AUTH_UNAVAILABLE);
	start_saslauthd();
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	stop(&saslauthd);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "nobody listens");
}

/* An empty mechanism asks whether saslauthd is there: a connection tells. */
static void a_probe_knocks(void **state)
{
	struct auth_hello hello = hello_for(directory, "");
	struct auth_request probe = { .response_count = 0 };

	(void)state;
	desk_hire(&desk, &hello);
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_UNAVAILABLE, "none");
	desk_detail_has(&desk, "No such file");
	desk_detail_has(&desk, "start it");
	start_saslauthd();
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_OK, "there");
	assert_int_equal(desk.answer.detail.len, 0);
	stop(&saslauthd);
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_UNAVAILABLE, "gone");
	desk_detail_has(&desk, "nobody listens");
}

static void one_out_of_reach_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for(directory, "");

	(void)state;
	start_saslauthd();
	assert_int_equal(chmod(desk.directory, 0755), 0);
	assert_int_equal(chmod(directory, 0), 0);
	desk.user = 65534;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "Permission denied");
	desk_detail_has(&desk, geteuid() == 0 ? "adduser nobody sasl, then restart" : "adduser ");
	assert_int_equal(chmod(directory, 0700), 0);
}

static void a_path_too_long_is_no_verdict(void **state)
{
	char path[200];
	struct auth_hello hello;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	hello = hello_for(path, "");
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "longer than");
}

static void hang_up(int listener)
{
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0;; i++) {
		int fd = accept(listener, NULL, NULL);
		char query[8192];

		/* At once, after the question, within the length, within the answer, with nonsense. */
		if (i % 5 > 0 && read(fd, query, sizeof(query)) < 0)
			_exit(1);
		if (i % 5 == 2)
			dprintf(fd, "%c", 0);
		if (i % 5 == 3)
			dprintf(fd, "%c%cO", 0, 2);
		if (i % 5 == 4)
			dprintf(fd, "%c%c", 0, 0);
		close(fd);
	}
}

static void one_that_hangs_up_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for(mux, "");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned before = 0;

	(void)state;
	memcpy(a.sun_path, mux, sizeof(mux));
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 10), 0);
	saslauthd = start(hang_up, listener);
	close(listener);
	desk_hire(&desk, &hello);
	/* Each one knocks at the door a second time to find out why. */
	for (int i = 0; i < 500; i++) {
		assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
		desk_detail_has(&desk, mux);
		if (i == 10)
			before = desk_descriptors(&desk);
	}
	assert_int_equal(desk_descriptors(&desk), before);
	assert_int_equal(desk_dismiss(&desk), 0);
}

static void odd_ones_are_judged(void **state)
{
	struct auth_hello hello = hello_for(directory, "example.com");

	(void)state;
	start_saslauthd();
	desk_hire(&desk, &hello);
	desk_odd_ones_are_judged(&desk);
	desk_dismiss(&desk);
	hello = hello_for(directory, "");
	desk_hire(&desk, &hello);
	desk_odd_ones_are_judged(&desk);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(odd_ones_are_judged),
		in_directory(tells_right_from_wrong),
		in_directory(the_realm_goes_with_the_name),
		in_directory(one_that_is_not_there_is_no_verdict),
		in_directory(a_probe_knocks),
		in_directory(one_out_of_reach_is_no_verdict),
		in_directory(a_path_too_long_is_no_verdict),
		in_directory(one_that_hangs_up_is_no_verdict),
	};

	return cmocka_run_group_tests_name("auth/worker-saslauthd", tests, NULL, NULL);
}
