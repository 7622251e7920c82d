#include "ctl/ctl.h"

#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pause when descriptors ran out: the connection stays in the kernel's queue. */
enum { LACK_MS = 100 };

static void send_answer(struct ctl *ctl, int fd, json_t *answer)
{
	/* ASCII, so that what a peer said cannot steer the terminal it is shown on. */
	char *text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct buf line = { 0 };

	require(text != NULL);
	buf_put_text(&line, text);
	buf_put_char(&line, '\n');
	ctl_write_all(fd, ctl->stopping, CTL_PATIENCE_MS, buf_span(&line));
	buf_fini(&line);
	free(text);
	json_decref(answer);
}

static void serve(struct ctl *ctl, int fd)
{
	struct buf request = { 0 };
	int r = ctl_read_line(fd, ctl->stopping, CTL_REQUEST_OCTETS, CTL_PATIENCE_MS, &request);

	if (r == -EMSGSIZE)
		send_answer(ctl, fd, ctl_refusal("the request is longer than 64 KiB"));
	if (r == 0)
		send_answer(ctl, fd, ctl_answer(ctl, buf_span(&request)));
	buf_fini(&request);
	close(fd);
}

static void *run(void *user)
{
	struct ctl *ctl = user;

	for (;;) {
		int fd, r = ctl_wait(ctl->listening, POLLIN, ctl->stopping,
				     ctl_now_ms() + CTL_PATIENCE_MS);

		if (r == -ECANCELED)
			return NULL;
		if (r < 0)
			continue;
		fd = accept4(ctl->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			serve(ctl, fd);
		else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			ctl_wait(-1, 0, ctl->stopping, ctl_now_ms() + LACK_MS);
	}
}

/* Signals are the main loop's. */
static int start_thread(struct ctl *ctl, struct fault *fault)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&ctl->thread, NULL, run, ctl);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return fault_set(fault, -r, "control thread: %s", strerror(r));
	pthread_setname_np(ctl->thread, "ctl");
	ctl->is_running = true;
	return 0;
}

struct ctl *ctl_open(const struct ctl_conf *conf, struct fault *fault)
{
	struct ctl *ctl = mem_new(struct ctl);

	ctl->conf = *conf;
	ctl->path = mem_text(conf->path);
	ctl->shards = mem_array(conf->shard_count, sizeof(*ctl->shards));
	if (conf->shard_count)
		memcpy(ctl->shards, conf->shards, conf->shard_count * sizeof(*ctl->shards));
	ctl->listening = -1;
	ctl->stopping = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ctl->stopping < 0)
		fault_set(fault, -errno, "control socket: %s", strerror(errno));
	else if (ctl_listen(ctl, fault) == 0 && start_thread(ctl, fault) == 0)
		return ctl;
	ctl_close(&ctl);
	return NULL;
}

/* Only the file that is ours: another daemon may have put its own there. */
static void remove_file(const struct ctl *ctl)
{
	struct stat st;

	if (ctl->is_bound && lstat(ctl->path, &st) == 0 && st.st_dev == ctl->device &&
	    st.st_ino == ctl->inode)
		unlink(ctl->path);
}

void ctl_close(struct ctl **ctl)
{
	struct ctl *c = *ctl;

	*ctl = NULL;
	if (c == NULL)
		return;
	if (c->is_running) {
		eventfd_write(c->stopping, 1);
		pthread_join(c->thread, NULL);
	}
	remove_file(c);
	if (c->listening >= 0)
		close(c->listening);
	if (c->stopping >= 0)
		close(c->stopping);
	free(c->shards);
	free(c->path);
	free(c);
}
