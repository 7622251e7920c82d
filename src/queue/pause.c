#include "pause.h"

int64_t queue_pause(unsigned attempts, int64_t first_ms, int64_t most_ms, uint64_t random)
{
	int64_t pause = first_ms > 0 ? first_ms : 1;

	for (unsigned i = 1; i < attempts && pause < most_ms; i++)
		pause *= 2;
	if (pause > most_ms && most_ms > 0)
		pause = most_ms;
	return pause - pause / 4 + (int64_t)(random % (uint64_t)(pause / 2 + 1));
}
