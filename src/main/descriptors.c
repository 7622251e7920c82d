#include "descriptors.h"

#include <stdint.h>
#include <sys/resource.h>

enum {
	OWN = 64, /* log, spool, threads, posternctl, what libraries open */
	OF_A_LOOP =
		32, /* its poll and its wake-up, sockets that listen, clients being turned away */
};

void descriptors_raise(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

long descriptors_for_sessions(const struct conf *conf, unsigned loops)
{
	struct rlimit files;
	long left;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT32_MAX)
		return INT32_MAX;
	left = (long)files.rlim_cur - OWN - OF_A_LOOP * (long)loops - conf->login.workers;
	for (size_t i = 0; i < conf->smarthost_count; i++)
		left -= conf->smarthosts[i].connections;
	return left > 0 ? left : 1;
}
