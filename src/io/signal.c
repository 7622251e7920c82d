#include "io/loop.h"

#include "base/mem.h"
#include "base/require.h"
#include "loop_inside.h"

#include <stdlib.h>

struct loop_signal {
	uv_signal_t handle;
	void (*handler)(void *user, int signum);
	void *user;
};

static void on_signal(uv_signal_t *handle, int signum)
{
	struct loop_signal *watch = handle->data;

	watch->handler(watch->user, signum);
}

struct loop_signal *loop_signal_watch(struct loop *loop, int signum,
				      void (*handler)(void *user, int signum), void *user)
{
	struct loop_signal *watch = mem_new(struct loop_signal);

	watch->handler = handler;
	watch->user = user;
	watch->handle.data = watch;
	require(uv_signal_init(&loop->uv, &watch->handle) == 0);
	require(uv_signal_start(&watch->handle, on_signal, signum) == 0);
	return watch;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void loop_signal_free(struct loop_signal **watch_at)
{
	struct loop_signal *watch = *watch_at;

	*watch_at = NULL;
	if (watch)
		uv_close((uv_handle_t *)&watch->handle, on_closed);
}
