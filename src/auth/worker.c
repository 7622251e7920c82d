#include "auth/worker.h"

#include "checker.h"
#include "wire.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { EXIT_BAD_FRAME = 1 };

#if defined(__SANITIZE_ADDRESS__)
#define IS_WATCHED 1 /* its leak check looks into the process as a debugger does */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_WATCHED 1
#endif
#endif
#ifndef IS_WATCHED
#define IS_WATCHED 0
#endif

static void harden(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	if (!IS_WATCHED)
		prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	/* From a terminal these come to the daemon as well, which then closes our socket in its own
	 * time. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

/* Meanwhile the cache forgets what has expired. With nothing to forget, the read itself waits. */
static void wait_for_frame(const struct wire *w, struct checker *c)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	int64_t ms;

	if (wire_has_frame(w))
		return;
	do
		ms = checker_expire(c);
	while (ms >= 0 && poll(&p, 1, (int)(ms > 60000 ? 60000 : ms + 1)) == 0);
}

/* `out` is kept from one answer to the next. */
static int answer(struct wire *w, struct checker *c, struct span frame, struct buf *out)
{
	struct auth_request request;
	struct auth_answer verdict = { .verdict = AUTH_UNAVAILABLE };
	int r = auth_request_decode(frame, &request);

	if (r < 0)
		return r;
	checker_check(c, &request, &verdict);
	auth_answer_encode(&verdict, out);
	r = wire_write(w, buf_span(out));
	mem_wipe(out->at, out->len);
	buf_clear(out);
	return r;
}

/* 0 when the other side closed, also while it was being answered. */
static int serve(struct wire *w, struct checker *c)
{
	struct buf out = { 0 };
	struct span frame;
	int r;

	do {
		wait_for_frame(w, c);
		r = wire_read(w, &frame);
		if (r > 0) {
			r = answer(w, c, frame, &out);
			wire_forget(w);
			r = r < 0 ? r : 1;
		}
	} while (r > 0);
	buf_wipe(&out);
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

/* The checker copies what it needs of the hello. */
static int serve_from_hello(struct wire *w, struct span frame)
{
	struct auth_hello hello;
	struct checker c;
	int r = auth_hello_decode(frame, &hello);

	if (r < 0)
		return r;
	checker_start(&c, &hello);
	r = serve(w, &c);
	checker_stop(&c);
	return r;
}

int auth_worker_run(int fd)
{
	struct wire w = { .fd = fd };
	struct span frame;
	int r;

	harden();
	r = wire_read(&w, &frame);
	if (r > 0)
		r = serve_from_hello(&w, frame);
	wire_fini(&w);
	return r < 0 && r != -EPIPE && r != -ECONNRESET ? EXIT_BAD_FRAME : EXIT_SUCCESS;
}
