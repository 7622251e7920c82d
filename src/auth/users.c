#include "auth/users.h"

#include "users_file.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

struct user {
	struct span name;
	const char *name_text, *hash; /* in table.text */
	unsigned line;
};

/* What one state of the file holds. */
struct table {
	struct buf text; /* the file, with NULs behind names and hashes */
	struct user *users;
	size_t count, cap;
	struct map by_name;
};

struct auth_users {
	char *path;
	struct table table;
	struct users_mark seen; /* the state that was read last, */
	struct fault flaw;	/* and what was wrong with it: then `table` is an older one */
};

static void table_fini(struct table *t)
{
	buf_wipe(&t->text);
	free(t->users);
	map_fini(&t->by_name);
	*t = (struct table){ 0 };
}

static void table_add(struct table *t, const struct users_line *line)
{
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->users = mem_resize(t->users, t->cap * sizeof(*t->users));
	}
	t->users[t->count++] = (struct user){
		.name = line->name,
		.name_text = (const char *)line->name.at,
		.hash = (const char *)line->hash.at,
		.line = line->number,
	};
}

/* The octet behind a name is its ':', the one behind a hash ':' or LF or the end of the file: all
 * are in the buffer, which has one octet more than the file. */
static void terminate(struct table *t, struct span s)
{
	t->text.at[s.at + s.len - t->text.at] = '\0';
}

static int table_index(struct table *t, const char *path, struct fault *fault)
{
	for (size_t i = 0; i < t->count; i++) {
		struct user *user = &t->users[i];
		const struct user *before = map_get(&t->by_name, user->name);

		if (before)
			return fault_set(fault, -EINVAL, "%s:%u: %s stands in line %u already",
					 path, user->line, user->name_text, before->line);
		map_put(&t->by_name, user->name, user);
	}
	return 0;
}

static int table_parse(struct table *t, const char *path, struct fault *fault)
{
	struct users_line line = { 0 };
	struct span rest;
	int r;

	buf_put_char(&t->text, '\0');
	rest = span_first(buf_span(&t->text), t->text.len - 1);
	while ((r = users_file_next(path, &rest, &line, fault)) > 0) {
		if (line.name.at == NULL)
			continue;
		table_add(t, &line);
		terminate(t, line.name);
		terminate(t, line.hash);
	}
	return r < 0 ? r : table_index(t, path, fault);
}

static int table_load(struct table *t, const char *path, struct users_mark *mark,
		      struct fault *fault)
{
	uint64_t seed;
	int r;

	*t = (struct table){ 0 };
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return fault_set(fault, -EIO, "the kernel gave no random octets");
	map_init(&t->by_name, seed);
	r = users_file_read(path, &t->text, mark, fault);
	return r < 0 ? r : table_parse(t, path, fault);
}

struct auth_users *auth_users_load(const char *path, struct fault *fault)
{
	struct auth_users *users = mem_new(struct auth_users);

	users->path = mem_text(path);
	if (table_load(&users->table, path, &users->seen, fault) < 0)
		auth_users_free(&users);
	return users;
}

void auth_users_free(struct auth_users **users)
{
	if (*users == NULL)
		return;
	table_fini(&(*users)->table);
	free((*users)->path);
	free(*users);
	*users = NULL;
}

static int same_as_before(const struct auth_users *users, struct fault *fault)
{
	return users->flaw.code ? fault_set(fault, users->flaw.code, "%s", users->flaw.text) : 0;
}

int auth_users_refresh(struct auth_users *users, struct fault *fault)
{
	struct fault flaw = { 0 };
	struct users_mark mark;
	struct table fresh;
	int r = users_file_mark(users->path, &mark, fault);

	if (r < 0)
		return r;
	if (users_mark_eq(&mark, &users->seen))
		return same_as_before(users, fault);
	/* What could not be read at all has no mark: the next call tries again. */
	users->seen = (struct users_mark){ 0 };
	r = table_load(&fresh, users->path, &users->seen, &flaw);
	users->flaw = flaw;
	if (r < 0) {
		table_fini(&fresh);
		return same_as_before(users, fault);
	}
	table_fini(&users->table);
	users->table = fresh;
	return 0;
}

size_t auth_users_count(const struct auth_users *users)
{
	return users->table.count;
}

const char *auth_users_hash(const struct auth_users *users, struct span name)
{
	const struct user *user = map_get(&users->table.by_name, name);

	return user ? user->hash : NULL;
}

const char *auth_users_name(const struct auth_users *users, size_t i)
{
	return i < users->table.count ? users->table.users[i].name_text : NULL;
}
