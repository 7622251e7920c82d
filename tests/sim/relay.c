/* relay.c: the whole way of a message, under a virtual clock, with everything failing that can fail.
 *
 * sim-relay [ROUNDS [SEED]] [--jobs N]    so many schedules, the seeds one after the other
 * sim-relay --seed N [--verbose]          that schedule again, with its story
 * sim-relay --every SEED [ROUNDS]         each of so many schedules with a cut at each of its disk calls
 * sim-relay --seed N --cut CALL --end E   one of these again (E: 0 kill, 1 to 3 power cuts)
 * sim-relay --seconds N [SEED]            as many as will go in that time
 */
#include "ledger.h"
#include "plan.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 1000, SEED = 20200, JOBS_MOST = 64, TOLD_MOST = 20 };

struct totals {
	unsigned long schedules, failures;
	struct ledger_sums sums;
};

struct options {
	unsigned long rounds;
	uint64_t seed;
	unsigned jobs, seconds;
	bool is_one, is_verbose, is_every;
	unsigned long cut_at;
	enum sim_end cut_end;
};

static struct totals totals;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct plan running;

/* A require() that does not hold, or worse: the seed is all that matters. */
static void on_fatal(int signum)
{
	char text[128];
	int n = snprintf(text, sizeof(text),
			 "FAILED: --seed %" PRIu64 " --cut %lu --end %d (signal %d)\n",
			 running.seed, running.cut_at, (int)running.cut_end, signum);

	if (write(STDOUT_FILENO, text, (size_t)n) != n)
		_exit(4);
	signal(signum, SIG_DFL);
	raise(signum);
}

static unsigned long run_one(struct plan plan)
{
	running = plan;
	totals.schedules++;
	if (!plan_run(&plan)) {
		totals.failures++;
		printf("FAILED: --seed %" PRIu64, plan.seed);
		if (plan.cut_at)
			printf(" --cut %lu --end %d", plan.cut_at, (int)plan.cut_end);
		printf("\n");
		fflush(stdout);
	}
	return plan.calls;
}

static void run_every(uint64_t seed)
{
	unsigned long calls = run_one((struct plan){ .seed = seed });

	for (unsigned long at = 1; at <= calls && totals.failures < TOLD_MOST; at++)
		run_one((struct plan){
			.seed = seed, .cut_at = at, .cut_end = (enum sim_end)(at % SIM_ENDS) });
}

/* Every jobs-th seed is ours. */
static void run_share(const struct options *o, unsigned share)
{
	double until = o->seconds ? now_s() + o->seconds : 0;

	for (unsigned long i = share; i < o->rounds && totals.failures < TOLD_MOST; i += o->jobs) {
		if (until > 0 && now_s() >= until)
			return;
		if (o->is_every)
			run_every(o->seed + i);
		else
			run_one((struct plan){ .seed = o->seed + i });
	}
}

static void add(struct totals *to, const struct totals *more)
{
	const unsigned long *from = (const unsigned long *)more;
	unsigned long *at = (unsigned long *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*at); i++)
		at[i] += from[i];
}

/* True: the child came to its end. */
static bool gather(int fd, pid_t child)
{
	struct totals of_child;
	int status;
	ssize_t n = read(fd, &of_child, sizeof(of_child));

	close(fd);
	waitpid(child, &status, 0);
	if (n != sizeof(of_child) || status != 0) {
		printf("a process ended before its time: status %d\n", status);
		return false;
	}
	add(&totals, &of_child);
	return true;
}

static void run_in_child(const struct options *o, unsigned share, int fd)
{
	run_share(o, share);
	totals.sums = ledger_sums;
	_exit(write(fd, &totals, sizeof(totals)) == sizeof(totals) ? 0 : 1);
}

static bool run_parallel(const struct options *o)
{
	int fds[JOBS_MOST][2];
	pid_t children[JOBS_MOST];
	bool is_good = true;

	fflush(stdout);
	for (unsigned i = 0; i < o->jobs; i++) {
		if (pipe(fds[i]) != 0 || (children[i] = fork()) < 0) {
			perror("sim-relay");
			exit(1);
		}
		if (children[i] == 0)
			run_in_child(o, i, fds[i][1]);
		close(fds[i][1]);
	}
	for (unsigned i = 0; i < o->jobs; i++)
		is_good &= gather(fds[i][0], children[i]);
	return is_good;
}

static void tell_totals(double seconds)
{
	const struct ledger_sums *s = &totals.sums;
	static const char *const names[] = {
#define X(name) #name,
		ANSWERS(X)
#undef X
	};

	printf("%lu schedules in %.1f s (%.0f a second), %lu crashes: %lu failures\n",
	       totals.schedules, seconds, (double)totals.schedules / seconds, s->crashes,
	       totals.failures);
	printf("%lu letters to %lu recipients, %lu takes, %lu notices taken\n", s->letters,
	       s->addressees, s->takes, s->notices);
	for (unsigned i = 0; i <= ANSWER_FAILED; i++)
		printf("%s%s %lu", i ? ", " : "answers: ", names[i], s->answers[i]);
	printf("\nexcused: twice as the reply was not heard %lu, twice by a crash %lu, by a note "
	       "not written %lu, noticed "
	       "twice "
	       "%lu, removed %lu, nobody to be told %lu, taken though unanswered %lu, though "
	       "failed "
	       "%lu\nin another encoding %lu, to go later %lu\n",
	       s->twice_unheard, s->twice_by_crash, s->twice_unwritten, s->notices_twice,
	       s->removed, s->discarded, s->unknown_taken, s->failed_taken, s->converted,
	       s->future);
}

static uint64_t number_behind(int argc, char **argv, int *i)
{
	if (++*i == argc) {
		fprintf(stderr, "sim-relay: %s wants a number\n", argv[*i - 1]);
		exit(2);
	}
	return strtoull(argv[*i], NULL, 10);
}

static void read_arguments(int argc, char **argv, struct options *o)
{
	unsigned plain = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0) {
			o->is_verbose = true;
		} else if (strcmp(argv[i], "--jobs") == 0) {
			o->jobs = (unsigned)number_behind(argc, argv, &i);
		} else if (strcmp(argv[i], "--seconds") == 0) {
			o->seconds = (unsigned)number_behind(argc, argv, &i);
			o->rounds = UINT32_MAX;
		} else if (strcmp(argv[i], "--cut") == 0) {
			o->cut_at = number_behind(argc, argv, &i);
		} else if (strcmp(argv[i], "--end") == 0) {
			o->cut_end = (enum sim_end)(number_behind(argc, argv, &i) % SIM_ENDS);
		} else if (strcmp(argv[i], "--seed") == 0) {
			o->is_one = true;
			o->seed = number_behind(argc, argv, &i);
		} else if (strcmp(argv[i], "--every") == 0) {
			o->is_every = true;
			o->seed = number_behind(argc, argv, &i);
			o->rounds = 1;
		} else if (plain++ == 0 && !o->is_every && !o->seconds) {
			o->rounds = strtoul(argv[i], NULL, 10);
		} else if (o->is_every) {
			o->rounds = strtoul(argv[i], NULL, 10);
		} else {
			o->seed = strtoull(argv[i], NULL, 10);
		}
	}
	if (o->jobs < 1 || o->jobs > JOBS_MOST)
		o->jobs = 1;
}

int main(int argc, char **argv)
{
	struct options o = { .rounds = ROUNDS, .seed = SEED, .jobs = 1 };
	double began = now_s();
	bool is_good = true;

	read_arguments(argc, argv, &o);
#ifndef __SANITIZE_ADDRESS__
	signal(SIGSEGV, on_fatal);
#endif
	signal(SIGABRT, on_fatal);
	if (o.is_one) {
		run_one((struct plan){ .seed = o.seed,
				       .is_verbose = o.is_verbose,
				       .cut_at = o.cut_at,
				       .cut_end = o.cut_end });
	} else if (o.jobs == 1) {
		printf("from seed %" PRIu64 "\n", o.seed);
		run_share(&o, 0);
	} else {
		printf("from seed %" PRIu64 ", %u processes\n", o.seed, o.jobs);
		is_good = run_parallel(&o);
	}
	if (o.jobs == 1)
		totals.sums = ledger_sums;
	tell_totals(now_s() - began);
	return totals.failures || !is_good ? 1 : 0;
}
