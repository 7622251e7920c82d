/* spool-start: how long a start from a spool takes, and how much memory.
 *
 * spool-start DIR: opens it read-only and counts what is found.
 */
#include "spool/log.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

struct count {
	unsigned long found, damaged;
	uint64_t octets;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void note_found(void *user, const struct spool_found *found)
{
	struct count *count = user;

	count->found++;
	count->octets += found->content_octets;
}

static void note_damaged(void *user, const struct fault *what)
{
	struct count *count = user;

	if (count->damaged++ < 10)
		fprintf(stderr, "%s\n", what->text);
}

int main(int argc, char **argv)
{
	struct count count = { 0 };
	struct spool_conf conf = {
		.is_read_only = true,
		.found = note_found,
		.damaged = note_damaged,
		.user = &count,
	};
	struct fault fault = { 0 };
	double begun = seconds();
	struct rusage usage;
	struct spool *spool;

	if (argc != 2) {
		fputs("Usage: spool-start DIR\n", stderr);
		return EX_USAGE;
	}
	conf.dir = argv[1];
	spool = spool_open(&conf, &fault);
	if (spool == NULL) {
		fprintf(stderr, "spool-start: %s\n", fault.text);
		return EX_IOERR;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%lu messages, %lu MiB of content, %lu damages: %.2f s, %ld MiB\n", count.found,
	       (unsigned long)(count.octets >> 20), count.damaged, seconds() - begun,
	       usage.ru_maxrss / 1024);
	spool_close(&spool);
	return EX_OK;
}
