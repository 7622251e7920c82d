/* Makes postern.conf(5): its text with the line "@KEYS@" replaced by the table of keys, and "@SMALL@"
 * by the small configuration. */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_keys(void)
{
	struct buf keys = { 0 };

	conf_manual(&keys);
	fwrite(buf_span(&keys).at, 1, keys.len, stdout);
	buf_fini(&keys);
}

static FILE *open_text(const char *path)
{
	FILE *text = fopen(path, "r");

	if (text == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return text;
}

static void put_file(const char *path)
{
	FILE *text = open_text(path);
	int c;

	while ((c = getc(text)) != EOF)
		putchar(c);
	fclose(text);
}

int main(int argc, char **argv)
{
	char line[4096];
	FILE *text;

	if (argc != 3)
		return EXIT_FAILURE;
	text = open_text(argv[1]);
	while (fgets(line, sizeof(line), text)) {
		if (strcmp(line, "@KEYS@\n") == 0)
			put_keys();
		else if (strcmp(line, "@SMALL@\n") == 0)
			put_file(argv[2]);
		else
			fputs(line, stdout);
	}
	fclose(text);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
