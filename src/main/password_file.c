#include "password_file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_MAX = 4096 };

static int check_mode(int fd, const char *path, struct fault *fault)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_set(fault, -EINVAL, "%s is not a file", path);
	if (st.st_mode & (S_IRWXO | S_IWGRP))
		return fault_set(
			fault, -EPERM,
			"%s can be read by others or changed by its group (mode %04o): chmod "
			"0640 or 0600 it",
			path, st.st_mode & 07777);
	return 0;
}

int password_file_read(const char *path, struct secret *out, struct fault *fault)
{
	unsigned char text[PASSWORD_MAX + 1];
	struct span line;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;

	if (fd < 0)
		return fault_set(fault, -errno, "%s: %s (user id %d)", path, strerror(errno),
				 (int)geteuid());
	rc = check_mode(fd, path, fault);
	if (rc == 0) {
		n = read(fd, text, sizeof(text));
		if (n < 0)
			rc = fault_set(fault, -errno, "%s: %s", path, strerror(errno));
	}
	close(fd);
	if (rc < 0)
		return rc;
	line = span_of(text, (size_t)n);
	line = span_first(line, span_find(line, '\n'));
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0 || line.len > PASSWORD_MAX - 1)
		rc = fault_set(fault, -EINVAL, "%s: the password, alone on the first line, is %s",
			       path, line.len ? "too long" : "missing");
	else
		secret_set(out, line);
	mem_wipe(text, sizeof(text));
	return rc;
}
