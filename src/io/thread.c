#include "thread.h"

#include "base/require.h"

#include <signal.h>

void thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP };
	sigset_t all, before;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	require(pthread_create(thread, NULL, run, arg) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_setname_np(*thread, name);
}
