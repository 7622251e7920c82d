#include "sockets.h"

#include "base/mem.h"
#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { FDS_MAX = 16 };

static void add(struct sockets *sockets, int fd, const struct conf_listen *listen, unsigned loop)
{
	sockets->at = mem_resize(sockets->at, (sockets->count + 1) * sizeof(*sockets->at));
	sockets->at[sockets->count++] = (struct socket_bound){ fd, listen, loop };
}

/* One socket a loop (SO_REUSEPORT): the kernel spreads the clients. */
static int bind_listen(struct sockets *sockets, const struct conf_listen *listen, unsigned loops,
		       struct fault *fault)
{
	for (unsigned loop = 0; loop < loops; loop++) {
		int fds[FDS_MAX];
		int n = listen_bind(listen->address[0] ? listen->address : NULL, (int)listen->port,
				    fds, FDS_MAX, loop == 0, fault);

		if (n < 0) {
			fault_prefix(fault, "%s:%d: listen \"%s\": ", listen->place.file,
				     listen->place.line, listen->name);
			return n;
		}
		for (int i = 0; i < n; i++)
			add(sockets, fds[i], listen, loop);
	}
	return 0;
}

/* One socket for all loops: each gets a descriptor of its own. */
static int share(struct sockets *sockets, int fd, const struct conf_listen *listen, unsigned loops,
		 struct fault *fault)
{
	for (unsigned loop = 0; loop < loops; loop++) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

		if (copy < 0)
			return fault_set(fault, -errno, "cannot copy a socket of systemd's: %s",
					 strerror(errno));
		add(sockets, copy, listen, loop);
	}
	return 0;
}

static int take_inherited(struct sockets *sockets, const struct conf_listen *listen, char **names,
			  int count, unsigned loops, struct fault *fault)
{
	bool is_found = false;

	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], listen->name) != 0)
			continue;
		if (sd_is_socket_inet(SD_LISTEN_FDS_START + i, AF_UNSPEC, SOCK_STREAM, 1, 0) <= 0)
			return fault_set(
				fault, -EINVAL,
				"%s:%d: listen \"%s\": the socket that systemd handed over is "
				"not one of TCP that listens (ListenStream=PORT in the socket "
				"unit)",
				listen->place.file, listen->place.line, listen->name);
		is_found = true;
		if (share(sockets, SD_LISTEN_FDS_START + i, listen, loops, fault) < 0)
			return fault->code;
	}
	if (is_found)
		return 0;
	return fault_set(fault, -ENOENT,
			 "%s:%d: listen \"%s\" has no port, and systemd handed over no socket of "
			 "that name (FileDescriptorName=%s in the socket unit)",
			 listen->place.file, listen->place.line, listen->name, listen->name);
}

int sockets_open(struct sockets *sockets, const struct conf *conf, unsigned loops,
		 struct fault *fault)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names), rc = 0;

	*sockets = (struct sockets){ 0 };
	for (size_t i = 0; i < conf->listen_count && rc == 0; i++) {
		const struct conf_listen *listen = &conf->listens[i];

		rc = listen->port ? bind_listen(sockets, listen, loops, fault)
				  : take_inherited(sockets, listen, names, count > 0 ? count : 0,
						   loops, fault);
	}
	for (int i = 0; i < count; i++) {
		close(SD_LISTEN_FDS_START + i);
		free(names[i]);
	}
	free(names);
	if (rc < 0)
		sockets_fini(sockets);
	return rc;
}

void sockets_fini(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->at[i].fd >= 0)
			close(sockets->at[i].fd);
	free(sockets->at);
	*sockets = (struct sockets){ 0 };
}
