#include "io/loop.h"

#include "base/require.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>

int64_t wall_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

unsigned loop_processors(void)
{
	return uv_available_parallelism();
}

void random_fill(void *at, size_t n)
{
	unsigned char *to = at;

	while (n) {
		ssize_t got = getrandom(to, n, 0);

		require(got > 0 || errno == EINTR);
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
}
