/* io/thread.h: threads of this room take no signals: those are the main thread's. */
#pragma once

#include <pthread.h>

void thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);
