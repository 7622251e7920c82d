#include "pause.h"

int64_t queue_pause(const int64_t *schedule_ms, unsigned count, unsigned attempts, uint64_t random)
{
	unsigned place = attempts > 1 ? attempts - 1 : 0;
	int64_t pause = 1000;

	if (count)
		pause = schedule_ms[place < count ? place : count - 1];
	if (pause < 1)
		pause = 1;
	return pause - pause / 4 + (int64_t)(random % (uint64_t)(pause / 2 + 1));
}
