#include "ctl/ctl.h"

#include "inside.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pause when descriptors or places ran out: connections stay in the kernel's queue. */
enum { LACK_MS = 100 };

static void *run_client(void *user)
{
	struct ctl_client *client = user;

	ctl_serve(client);
	close(client->fd);
	client->fd = -1;
	atomic_store(&client->is_over, true);
	return NULL;
}

/* Waits for those that are over, or for all. */
static void join_clients(struct ctl *ctl, bool all)
{
	list_each (&ctl->clients, node) {
		struct ctl_client *client = list_entry(node, struct ctl_client, node);

		if (!all && !atomic_load(&client->is_over))
			continue;
		pthread_join(client->thread, NULL);
		list_remove(&ctl->clients, node);
		free(client);
	}
}

static void start_client(struct ctl *ctl, int fd)
{
	struct ctl_client *client = mem_new(struct ctl_client);

	client->ctl = ctl;
	client->fd = fd;
	if (pthread_create(&client->thread, NULL, run_client, client) == 0) {
		list_push_back(&ctl->clients, &client->node);
		return;
	}
	ctl_send(client, ctl_refusal("no thread can be started"));
	close(fd);
	free(client);
}

static void accept_one(struct ctl *ctl)
{
	int fd = accept4(ctl->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		start_client(ctl, fd);
	else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		ctl_wait(-1, 0, ctl->stopping, ctl_now_ms() + LACK_MS);
}

static void *run(void *user)
{
	struct ctl *ctl = user;
	int r;

	do {
		join_clients(ctl, false);
		if (ctl->clients.count < CTL_CLIENTS_MOST)
			r = ctl_wait(ctl->listening, POLLIN, ctl->stopping,
				     ctl_now_ms() + CTL_PATIENCE_MS);
		else
			r = ctl_wait(-1, 0, ctl->stopping, ctl_now_ms() + LACK_MS);
		if (r == 0)
			accept_one(ctl);
	} while (r != -ECANCELED);
	join_clients(ctl, true);
	return NULL;
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
	list_init(&ctl->clients);
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
