#include "ctl/ctl.h"

#include "inside.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A line holds a page of messages, or some messages with all their recipients. The daemon says
 * something at least every few seconds. */
enum { ANSWER_OCTETS = 64 * 1024 * 1024, ANSWER_MS = 30 * 1000 };

struct ctl_talk {
	int fd;
	char *path;
	struct buf in, line;
};

static int connect_fault(const char *path, int code, struct fault *fault)
{
	if (code == -ENOENT || code == -ECONNREFUSED)
		return fault_set(fault, code, "posternd does not run: nobody serves %s", path);
	if (code == -EACCES)
		return fault_set(fault, code, "%s: only root and the daemon's user may ask", path);
	return fault_set(fault, code, "%s: %s", path, strerror(-code));
}

static int dial(const char *path, struct fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = CTL_PATIENCE_MS / 1000 };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return connect_fault(path, -ENAMETOOLONG, fault);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return connect_fault(path, -errno, fault);
	/* Bounds connect() too, which waits while the daemon's queue of connections is full. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = connect_fault(path, -errno, fault);
		close(fd);
		return r;
	}
	return fd;
}

struct ctl_talk *ctl_talk_open(const char *path, const char *request, struct fault *fault)
{
	struct ctl_talk *talk;
	struct buf line = { 0 };
	int fd = dial(path, fault), r;

	if (fd < 0)
		return NULL;
	talk = mem_new(struct ctl_talk);
	talk->fd = fd;
	talk->path = mem_text(path);
	buf_put_text(&line, request);
	buf_put_char(&line, '\n');
	r = ctl_write_all(fd, -1, CTL_PATIENCE_MS, buf_span(&line));
	buf_fini(&line);
	if (r == 0)
		return talk;
	fault_set(fault, r, "%s: nobody takes the request: %s", path, strerror(-r));
	ctl_talk_close(&talk);
	return NULL;
}

int ctl_talk_line(struct ctl_talk *talk, struct span *line_out, struct fault *fault)
{
	int r = ctl_read_line(talk->fd, -1, ANSWER_OCTETS, ANSWER_MS, &talk->in, &talk->line);

	*line_out = buf_span(&talk->line);
	if (r == -ENODATA || r == -ECONNRESET)
		return fault_set(fault, r, "%s: the daemon closed without an answer", talk->path);
	if (r < 0)
		return fault_set(fault, r, "%s: no answer: %s", talk->path, strerror(-r));
	return 0;
}

void ctl_talk_close(struct ctl_talk **talk)
{
	struct ctl_talk *t = *talk;

	*talk = NULL;
	if (t == NULL)
		return;
	close(t->fd);
	free(t->path);
	buf_fini(&t->in);
	buf_fini(&t->line);
	free(t);
}
