/* replay.c: runs a fuzz target where there is no fuzzer: over its corpus, and over mutations of it
 * that are the same in every run.
 *
 * Usage    fuzz_x corpus-directory
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INPUT_MOST = 8192,
	INPUTS_MOST = 512,
	MUTATIONS = 4000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	size_t size;
	uint8_t data[INPUT_MOST];
};

static struct input *inputs[INPUTS_MOST];
static size_t count;
static uint64_t seed = 0x9E3779B97F4A7C15;

static size_t below(size_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return limit ? (size_t)(seed % limit) : 0;
}

/* From a block of its own size, so that a sanitizer sees a read beyond it. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void load(const char *directory, const char *name)
{
	char path[4096];
	FILE *file;
	struct input *input;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "rb");
	if (!file || count == INPUTS_MOST) {
		fprintf(stderr, "%s: cannot be read, or is one too many\n", path);
		exit(1);
	}
	input = calloc(1, sizeof(*input));
	input->size = fread(input->data, 1, sizeof(input->data), file);
	inputs[count++] = input;
	fclose(file);
}

/* In the order of names: a directory's own order is not the same everywhere. */
static void load_all(const char *directory)
{
	struct dirent **names;
	int n = scandir(directory, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			load(directory, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static void put_octet(struct input *in)
{
	static const uint8_t liked[] = "\r\n\0.<>@: =+*A\377\"\\[]-";

	if (in->size)
		in->data[below(in->size)] =
			below(2) ? liked[below(sizeof(liked))] : (uint8_t)below(256);
}

static void insert_octets(struct input *in)
{
	const struct input *from = inputs[below(count)];
	size_t start = below(from->size), n = below(from->size - start + 1), at = below(in->size);

	if (n > sizeof(in->data) - in->size)
		n = sizeof(in->data) - in->size;
	memmove(in->data + at + n, in->data + at, in->size - at);
	memcpy(in->data + at, from->data + start, n);
	in->size += n;
}

static void remove_octets(struct input *in)
{
	size_t at = below(in->size), n = below(1 + (below(2) ? 4 : in->size - at));

	if (n > in->size - at)
		n = in->size - at;
	memmove(in->data + at, in->data + at + n, in->size - at - n);
	in->size -= n;
}

static void mutate(struct input *in)
{
	static void (*const edits[])(struct input *) = { put_octet, insert_octets, remove_octets };
	size_t times = 1 + below(8);

	*in = *inputs[below(count)];
	while (times--)
		edits[below(3)](in);
}

int main(int argc, char **argv)
{
	static struct input mutant;

	if (argc != 2) {
		fprintf(stderr, "usage: %s corpus-directory\n", argv[0]);
		return 2;
	}
	load_all(argv[1]);
	if (count == 0) {
		fprintf(stderr, "%s: no inputs\n", argv[1]);
		return 1;
	}
	for (size_t i = 0; i < count; i++)
		run(inputs[i]->data, inputs[i]->size);
	for (size_t i = 0; i < MUTATIONS; i++) {
		mutate(&mutant);
		run(mutant.data, mutant.size);
	}
	printf("%zu inputs, %d mutations\n", count, MUTATIONS);
	while (count)
		free(inputs[--count]);
	return 0;
}
