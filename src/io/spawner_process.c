#include "spawner.h"

#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKER_FD = 3, CANNOT_START = 126 };

struct child {
	struct list_node node;
	uint64_t number;
	pid_t pid;
};

struct process {
	int fd, exe;
	pid_t self;
	char *const *argv;
	const struct spawner_user *user;
	struct list children;
};

/* In the child */

static int move_socket(int fd)
{
	if (fd == WORKER_FD)
		return fcntl(fd, F_SETFD, 0);
	return dup2(fd, WORKER_FD);
}

_Noreturn static void become_worker(const struct process *p, int fd)
{
	extern char **environ;
	sigset_t none;

	/* argv, user and socket are all that a worker gets; `exe` closes itself on exec. */
	if (move_socket(fd) < 0 || close_range(WORKER_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0 ||
	    spawner_user_become(p->user) != 0)
		_exit(CANNOT_START);
	/* After the change of user, which clears it. A worker that hangs in a library would not see
	 * that its socket was closed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != p->self)
		_exit(CANNOT_START);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
	fexecve(p->exe, p->argv, environ);
	_exit(CANNOT_START);
}

/* In the spawner */

static void start(struct process *p, uint64_t number, int fd)
{
	struct child *child;
	pid_t pid;

	if (fd < 0)
		return;
	pid = fork();
	if (pid == 0)
		become_worker(p, fd);
	if (pid < 0)
		return;
	child = mem_new(struct child);
	child->number = number;
	child->pid = pid;
	list_push_back(&p->children, &child->node);
}

static void kill_number(struct process *p, uint64_t number)
{
	list_each (&p->children, n) {
		const struct child *child = list_entry(n, struct child, node);

		if (child->number == number)
			kill(child->pid, SIGKILL);
	}
}

static void forget(struct process *p, pid_t pid)
{
	list_each (&p->children, n) {
		struct child *child = list_entry(n, struct child, node);

		if (child->pid == pid) {
			list_remove(&p->children, n);
			free(child);
		}
	}
}

static void reap(struct process *p)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		forget(p, pid);
}

static int descriptor_of(struct msghdr *packet)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(packet);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* False: the daemon has gone. */
static bool serve(struct process *p)
{
	struct spawner_message message = { 0 };
	struct iovec part = { &message, sizeof(message) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr packet = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(p->fd, &packet, MSG_CMSG_CLOEXEC);
	int fd;

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	fd = descriptor_of(&packet);
	if (n == sizeof(message) && message.verb == SPAWNER_START)
		start(p, message.number, fd);
	else if (n == sizeof(message) && message.verb == SPAWNER_KILL)
		kill_number(p, message.number);
	if (fd >= 0)
		close(fd);
	return true;
}

static void on_child(int signum)
{
	(void)signum; /* it interrupts ppoll() */
}

/* A terminal's ^C and systemd's SIGTERM go to the whole group; workers are needed until the daemon
 * itself is done with them. */
static void set_signals(sigset_t *while_waiting)
{
	static const int ignored[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2
	};
	const struct sigaction child = { .sa_handler = on_child };
	sigset_t blocked;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigaction(SIGCHLD, &child, NULL);
	sigemptyset(while_waiting);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

int spawner_process_run(int fd, int exe, const char *const *argv, const struct spawner_user *user)
{
	struct process p = { .fd = fd, .exe = exe, .self = getpid(), .user = user };
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	sigset_t while_waiting;

	memcpy(&p.argv, &argv, sizeof(p.argv));
	list_init(&p.children);
	prctl(PR_SET_NAME, "spawner");
	set_signals(&while_waiting);
	for (;;) {
		reap(&p);
		if (ppoll(&wait, 1, NULL, &while_waiting) > 0 && !serve(&p))
			return 0;
	}
}
