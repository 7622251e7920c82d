#include "auth/users.h"

#include "users_file.h"
#include "users_line.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <sys/random.h>

struct user {
	struct span name;
	const char *name_text;
	const char *hash; /* in table.text; NULL: known by app passwords only */
	unsigned line;	  /* of the hash */
	bool has_scram;
	struct auth_scram scram;
	size_t first_app, app_count;
};

struct app {
	size_t user;
	struct auth_app_password public;
};

/* An array whose octets are wiped wherever they stood. */
struct array {
	void *at;
	size_t count, cap;
};

/* What one state of the file holds. */
struct table {
	struct buf text;    /* the file, with NULs behind names, hashes, ids and labels */
	struct array users; /* struct user, in the order in which names come first */
	struct array apps;  /* struct app, in that order too, once the file is read */
	struct map by_name; /* to the place among users, and 1 */
	struct users_seed seed;
};

struct auth_users {
	char *path;
	struct table table;
	struct users_mark seen; /* the state that was read last, */
	struct fault flaw;	/* and what was wrong with it: then `table` is an older one */
};

static void array_fini(struct array *a, size_t size)
{
	if (a->at)
		mem_wipe(a->at, a->cap * size);
	free(a->at);
	*a = (struct array){ 0 };
}

static void *array_add(struct array *a, size_t size)
{
	if (a->count == a->cap) {
		struct array wider = { .count = a->count, .cap = a->cap ? a->cap * 2 : 64 };

		wider.at = mem_array(wider.cap, size);
		if (a->count)
			memcpy(wider.at, a->at, a->count * size);
		array_fini(a, size);
		*a = wider;
	}
	return (char *)a->at + size * a->count++;
}

static struct user *user_at(const struct table *t, size_t i)
{
	return (struct user *)t->users.at + i;
}

static struct app *app_at(const struct table *t, size_t i)
{
	return (struct app *)t->apps.at + i;
}

static struct user *user_find(const struct table *t, struct span name)
{
	uintptr_t place = (uintptr_t)map_get(&t->by_name, name);

	return place ? user_at(t, place - 1) : NULL;
}

static void table_fini(struct table *t)
{
	buf_wipe(&t->text);
	array_fini(&t->users, sizeof(struct user));
	array_fini(&t->apps, sizeof(struct app));
	map_fini(&t->by_name);
	mem_wipe(t, sizeof(*t));
}

static struct user *user_get(struct table *t, struct span name)
{
	struct user *user = user_find(t, name);

	if (user)
		return user;
	user = array_add(&t->users, sizeof(*user));
	user->name = name;
	user->name_text = (const char *)name.at;
	map_put(&t->by_name, name, (void *)(uintptr_t)t->users.count);
	return user;
}

/* The octet behind a text is a ':' or LF or the end of the file: all are in the buffer, which has one
 * octet more than the file, and none is looked at again. */
static const char *terminated(struct table *t, struct span s)
{
	t->text.at[s.at + s.len - t->text.at] = '\0';
	return (const char *)s.at;
}

static int add_password(struct table *t, const char *path, struct user *user,
			const struct users_line *line, struct fault *fault)
{
	if (user->hash)
		return fault_set(fault, -EINVAL, "%s:%u: %s stands in line %u already", path,
				 line->number, user->name_text, user->line);
	user->line = line->number;
	user->hash = terminated(t, line->hash);
	user->has_scram = line->has_scram;
	user->scram = line->scram;
	return 0;
}

static int add_app(struct table *t, const char *path, struct user *user,
		   const struct users_line *line, struct fault *fault)
{
	struct app *app;

	if (!t->seed.is_known)
		return fault_set(fault, -EINVAL,
				 "%s:%u: an app password, but the line \"@seed:\" that it was made "
				 "with is missing: put it back from a copy, or remove the app "
				 "password (posternctl app-password rm %s --all)",
				 path, line->number, user->name_text);
	if (++user->app_count > AUTH_APP_PASSWORDS_MAX)
		return fault_set(fault, -EINVAL, "%s:%u: %s has more than %d app passwords", path,
				 line->number, user->name_text, AUTH_APP_PASSWORDS_MAX);
	app = array_add(&t->apps, sizeof(*app));
	app->user = (size_t)(user - user_at(t, 0));
	app->public = (struct auth_app_password){
		.id = terminated(t, line->id),
		.label = terminated(t, line->label),
		.created_s = line->created_s,
		.expires_s = line->expires_s,
		.has_scram = line->has_scram,
		.scram = line->scram,
	};
	memcpy(app->public.mac, line->mac, sizeof(app->public.mac));
	return 0;
}

static int table_add(struct table *t, const char *path, const struct users_line *line,
		     struct fault *fault)
{
	struct user *user = user_get(t, line->name);

	terminated(t, line->name);
	if (line->kind == USERS_LINE_APP)
		return add_app(t, path, user, line, fault);
	return add_password(t, path, user, line, fault);
}

/* App passwords may stand anywhere in the file: those of a user come together, their order kept. */
static void gather_apps(struct table *t)
{
	struct array sorted = { .cap = t->apps.cap, .count = t->apps.count };
	size_t next = 0;

	sorted.at = mem_array(sorted.cap, sizeof(struct app));
	for (size_t i = 0; i < t->users.count; i++) {
		user_at(t, i)->first_app = next;
		next += user_at(t, i)->app_count;
		user_at(t, i)->app_count = 0;
	}
	for (size_t i = 0; i < t->apps.count; i++) {
		struct user *user = user_at(t, app_at(t, i)->user);

		((struct app *)sorted.at)[user->first_app + user->app_count++] = *app_at(t, i);
	}
	array_fini(&t->apps, sizeof(struct app));
	t->apps = sorted;
}

static int check_ids(const struct table *t, const char *path, struct fault *fault)
{
	for (size_t i = 0; i < t->users.count; i++) {
		const struct user *user = user_at(t, i);

		for (size_t a = 0; a < user->app_count; a++)
			for (size_t b = 0; b < a; b++)
				if (strcmp(app_at(t, user->first_app + a)->public.id,
					   app_at(t, user->first_app + b)->public.id) == 0)
					return fault_set(
						fault, -EINVAL,
						"%s: %s has two app passwords with the id %s", path,
						user->name_text,
						app_at(t, user->first_app + a)->public.id);
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
	r = users_seed_find(path, rest, &t->seed, fault);
	if (r < 0)
		return r;
	while ((r = users_line_next(path, &t->seed, &rest, &line, fault)) > 0) {
		if (line.kind != USERS_LINE_OTHER)
			r = table_add(t, path, &line, fault);
		if (r < 0)
			break;
	}
	mem_wipe(&line, sizeof(line));
	if (r < 0)
		return r;
	gather_apps(t);
	return check_ids(t, path, fault);
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
	mem_wipe(&fresh, sizeof(fresh));
	return 0;
}

bool auth_users_state(const struct auth_users *users, struct buf *out)
{
	return users->flaw.code == 0 && users_mark_put(&users->seen, out);
}

size_t auth_users_count(const struct auth_users *users)
{
	return users->table.users.count;
}

const char *auth_users_hash(const struct auth_users *users, struct span name)
{
	const struct user *user = user_find(&users->table, name);

	return user ? user->hash : NULL;
}

const char *auth_users_name(const struct auth_users *users, size_t i)
{
	return i < users->table.users.count ? user_at(&users->table, i)->name_text : NULL;
}

const struct auth_scram *auth_users_scram(const struct auth_users *users, struct span name)
{
	const struct user *user = user_find(&users->table, name);

	return user && user->has_scram ? &user->scram : NULL;
}

bool auth_users_salt(const struct auth_users *users, struct span name,
		     unsigned char out[AUTH_SCRAM_OCTETS])
{
	if (users->table.seed.is_known)
		verifier_salt(users->table.seed.octets, name, out);
	return users->table.seed.is_known;
}

const struct auth_app_password *auth_users_app_password(const struct auth_users *users,
							struct span name, size_t i)
{
	const struct user *user = user_find(&users->table, name);

	return user && i < user->app_count ? &app_at(&users->table, user->first_app + i)->public
					   : NULL;
}

const struct auth_app_password *auth_users_app_password_fits(const struct auth_users *users,
							     struct span name, struct span password)
{
	const struct auth_app_password *found = NULL, *app;
	unsigned char mac[AUTH_SCRAM_OCTETS];
	bool may_fit = verifier_mac(users->table.seed.octets, password, mac);

	/* All are looked at, so that the time does not tell which it is. */
	for (size_t i = 0; (app = auth_users_app_password(users, name, i)) != NULL; i++)
		if (memeql_sec(mac, app->mac, sizeof(mac)))
			found = app;
	mem_wipe(mac, sizeof(mac));
	return may_fit && users->table.seed.is_known ? found : NULL;
}
