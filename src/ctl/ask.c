#include "ctl/ctl.h"

#include "inside.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* An answer is a page of messages, or one message with all its recipients. */
enum { ANSWER_OCTETS = 64 * 1024 * 1024, ANSWER_MS = 30 * 1000 };

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

static int exchange(int fd, const char *request, struct buf *answer)
{
	struct buf line = { 0 };
	int r;

	buf_put_text(&line, request);
	buf_put_char(&line, '\n');
	r = ctl_write_all(fd, -1, CTL_PATIENCE_MS, buf_span(&line));
	buf_fini(&line);
	if (r < 0)
		return r;
	return ctl_read_line(fd, -1, ANSWER_OCTETS, ANSWER_MS, answer);
}

char *ctl_ask(const char *path, const char *request, struct fault *fault)
{
	struct buf answer = { 0 };
	int fd = dial(path, fault), r;

	if (fd < 0)
		return NULL;
	r = exchange(fd, request, &answer);
	close(fd);
	if (r == 0)
		return buf_take_text(&answer);
	buf_fini(&answer);
	if (r == -ENODATA)
		fault_set(fault, r, "%s: the daemon closed without an answer", path);
	else
		fault_set(fault, r, "%s: no answer: %s", path, strerror(-r));
	return NULL;
}
