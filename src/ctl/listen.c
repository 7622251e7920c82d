#include "inside.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_address(const char *path, struct sockaddr_un *out, struct fault *fault)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path))
		return fault_set(fault, -ENAMETOOLONG, "control socket %s: the path is too long",
				 path);
	memcpy(out->sun_path, path, strlen(path));
	return 0;
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Whether a daemon answers there. */
static bool is_served(const struct sockaddr_un *address)
{
	int fd = unix_socket(), r;

	if (fd < 0)
		return false;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	r = r < 0 ? errno : 0;
	close(fd);
	return r == 0 || r == EAGAIN;
}

/* A socket that a dead daemon left is removed; nothing else is. */
static int make_way(const char *path, const struct sockaddr_un *address, struct fault *fault)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return fault_set(fault, -EEXIST, "control socket %s: something else has this name",
				 path);
	if (is_served(address))
		return fault_set(fault, -EADDRINUSE,
				 "control socket %s: another posternd serves it", path);
	if (unlink(path) < 0)
		return fault_set(fault, -errno,
				 "control socket %s is left over and cannot be "
				 "removed: %s",
				 path, strerror(errno));
	return 0;
}

static int bind_fault(const char *path, int code, struct fault *fault)
{
	if (code == -ENOENT)
		return fault_set(fault, code,
				 "control socket %s: its directory is missing; make it for the "
				 "daemon's user, or set control",
				 path);
	return fault_set(fault, code, "control socket %s: %s", path, strerror(-code));
}

int ctl_listen(struct ctl *ctl, struct fault *fault)
{
	struct sockaddr_un address;
	struct stat st;
	int r = unix_address(ctl->path, &address, fault);

	if (r == 0)
		r = make_way(ctl->path, &address, fault);
	if (r < 0)
		return r;
	ctl->listening = unix_socket();
	/* The mode before bind() is the file's (less the umask): it is never open to others. */
	if (ctl->listening < 0 || fchmod(ctl->listening, 0600) < 0 ||
	    bind(ctl->listening, (struct sockaddr *)&address, sizeof(address)) < 0)
		return bind_fault(ctl->path, -errno, fault);
	ctl->is_bound = true;
	if (lstat(ctl->path, &st) < 0 || listen(ctl->listening, 16) < 0)
		return bind_fault(ctl->path, -errno, fault);
	ctl->device = st.st_dev;
	ctl->inode = st.st_ino;
	return 0;
}
