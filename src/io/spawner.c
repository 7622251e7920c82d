#include "spawner.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FREE_FD = 16 }; /* above what a worker gets */

/* Nothing of the daemon stays open in the spawner but its socket, the binary, and stderr. */
_Noreturn static void become_spawner(int fd, int exe, const struct worker_spawner_conf *conf,
				     const struct spawner_user *user)
{
	int null = open("/dev/null", O_RDWR);

	fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	exe = fcntl(exe, F_DUPFD_CLOEXEC, fd + 1);
	if (null < 0 || fd < 0 || exe < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	if (exe > fd + 1)
		close_range((unsigned)fd + 1, (unsigned)exe - 1, 0);
	close_range((unsigned)exe + 1, ~0U, 0);
	_exit(spawner_process_run(fd, exe, conf->argv, user));
}

static int start(const struct worker_spawner_conf *conf, const struct spawner_user *user, int exe,
		 struct worker_spawner *out, struct fault *fault)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return fault_set(fault, -errno, "cannot make a socket for the spawner: %s",
				 strerror(errno));
	out->pid = fork();
	if (out->pid == 0)
		become_spawner(ends[1], exe, conf, user);
	close(ends[1]);
	out->fd = ends[0];
	if (out->pid > 0)
		return 0;
	close(ends[0]);
	return fault_set(fault, -errno, "cannot start the spawner process: %s", strerror(errno));
}

struct worker_spawner *worker_spawner_start(const struct worker_spawner_conf *conf,
					    struct fault *fault)
{
	struct worker_spawner *spawner = NULL, made = { 0 };
	struct spawner_user user;
	int exe, rc = spawner_user_find(conf->user, &user, fault);

	if (rc)
		return NULL;
	/* Held open: an upgrade may replace the file while we run. */
	exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (exe < 0)
		rc = fault_set(fault, -errno, "cannot open our own binary: %s", strerror(errno));
	else
		rc = start(conf, &user, exe, &made, fault);
	if (exe >= 0)
		close(exe);
	free(user.groups);
	if (rc)
		return NULL;
	spawner = mem_new(struct worker_spawner);
	spawner->fd = made.fd;
	spawner->pid = made.pid;
	return spawner;
}

bool worker_spawner_has_ended(const struct worker_spawner *spawner)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)spawner->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == spawner->pid;
}

void worker_spawner_stop(struct worker_spawner **spawner_at)
{
	struct worker_spawner *spawner = *spawner_at;

	*spawner_at = NULL;
	if (spawner == NULL)
		return;
	close(spawner->fd);
	while (waitpid(spawner->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(spawner);
}

static int tell(struct worker_spawner *spawner, enum spawner_verb verb, uint64_t number, int fd)
{
	struct spawner_message message = { .verb = verb, .number = number };
	struct iovec part = { &message, sizeof(message) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		packet.msg_control = control;
		packet.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(spawner->fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

uint64_t spawner_start_worker(struct worker_spawner *spawner, int fd)
{
	uint64_t number = atomic_fetch_add(&spawner->last_number, 1) + 1;

	return tell(spawner, SPAWNER_START, number, fd) == 0 ? number : 0;
}

void spawner_kill_worker(struct worker_spawner *spawner, uint64_t number)
{
	tell(spawner, SPAWNER_KILL, number, -1);
}
