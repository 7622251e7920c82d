#include "load.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OCTETS_MOST ((size_t)1 << 20)
#define FILES_MOST 100

struct texts {
	struct conf_text at[FILES_MOST];
	size_t count;
	size_t octets;
};

static int read_fault(const char *path, int code, struct fault *fault)
{
	if (code == -ENOENT)
		return fault_set(fault, code,
				 "%s is missing; write one (posternd --sample-config shows all "
				 "keys) or name another with -c",
				 path);
	if (code == -EACCES)
		return fault_set(fault, code, "%s is not readable for this user (uid %ld)", path,
				 (long)geteuid());
	return fault_set(fault, code, "reading %s: %s", path, strerror(-code));
}

static int read_whole(int fd, const char *path, size_t most, struct buf *out, struct fault *fault)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return read_fault(path, -errno, fault);
	if (!S_ISREG(st.st_mode))
		return fault_set(fault, -EINVAL, "%s is not a file", path);
	do {
		n = read(fd, buf_room(out, 4096), 4096);
		if (n < 0 && errno != EINTR)
			return read_fault(path, -errno, fault);
		if (n > 0)
			buf_grew(out, (size_t)n);
		if (out->len > most)
			return fault_set(fault, -EFBIG,
					 "%s: the configuration is larger than 1 MiB", path);
	} while (n != 0);
	if (span_find(buf_span(out), '\0') < out->len)
		return fault_set(fault, -EINVAL, "%s holds a NUL octet: it is not a text", path);
	return 0;
}

/* A pipe in the place of the file must not hang us, hence O_NONBLOCK. */
static int add_file(struct texts *texts, const char *path, struct fault *fault)
{
	struct buf content = { 0 };
	int fd, r;

	if (texts->count == FILES_MOST)
		return fault_set(fault, -E2BIG, "%s: more than %d configuration files", path,
				 FILES_MOST);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return read_fault(path, -errno, fault);
	r = read_whole(fd, path, OCTETS_MOST - texts->octets, &content, fault);
	close(fd);
	if (r < 0) {
		buf_fini(&content);
		return r;
	}
	texts->octets += content.len;
	texts->at[texts->count++] =
		(struct conf_text){ .file = mem_text(path), .text = buf_take_text(&content) };
	return 0;
}

static int is_conf_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".conf") == 0;
}

static int by_octets(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static char *path_join(const char *directory, size_t n, const char *name)
{
	struct buf path = { 0 };

	buf_put(&path, directory, n);
	buf_put_text(&path, name);
	return buf_take_text(&path);
}

static int add_directory(struct texts *texts, const char *directory, struct fault *fault)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_conf_file, by_octets), r = 0;

	if (count < 0)
		return errno == ENOENT ? 0 : read_fault(directory, -errno, fault);
	for (int i = 0; i < count; i++) {
		char *path = path_join(directory, strlen(directory), "/");
		char *file = path_join(path, strlen(path), entries[i]->d_name);

		if (r == 0)
			r = add_file(texts, file, fault);
		free(file);
		free(path);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* The fully qualified name, where the resolver knows it. */
static char *find_machine_name(void)
{
	struct addrinfo hints = { .ai_flags = AI_CANONNAME }, *info = NULL;
	char name[256] = "", *full = NULL;

	if (gethostname(name, sizeof(name) - 1) < 0)
		return mem_text("localhost");
	if (strchr(name, '.') == NULL && getaddrinfo(name, NULL, &hints, &info) == 0) {
		if (info->ai_canonname)
			full = mem_text(info->ai_canonname);
		freeaddrinfo(info);
	}
	return full ? full : mem_text(name);
}

/* Asked for once: a resolver that hangs must not hold up a reload. */
static const char *machine_name(void)
{
	static char *name;

	if (name == NULL)
		name = find_machine_name();
	return name;
}

struct conf *load_conf(const char *file, struct fault *fault)
{
	const char *slash = strrchr(file, '/');
	char *directory = path_join(file, slash ? (size_t)(slash - file) + 1 : 0, "conf.d");
	struct texts *texts = mem_new(struct texts);
	struct conf *conf = NULL;

	if (add_file(texts, file, fault) == 0 && add_directory(texts, directory, fault) == 0)
		conf = conf_parse(texts->at, texts->count, machine_name(), fault);
	for (size_t i = 0; i < texts->count; i++) {
		free((char *)(uintptr_t)texts->at[i].file);
		free((char *)(uintptr_t)texts->at[i].text);
	}
	free(texts);
	free(directory);
	return conf;
}
