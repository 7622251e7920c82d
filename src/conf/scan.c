#include "scan.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

struct scanner {
	const char *file;
	const char *at; /* next character */
	int line;
	int depth_lines[2]; /* where the braces that are open stand: a section, a list in it */
	int depth;
	char last; /* last significant character; 'w': a word or a quoted text */
	struct conf_scan *out;
	struct fault *fault;
};

static int scan_fault(struct scanner *s, int line, const char *what)
{
	return fault_set(s->fault, -EINVAL, "%s:%d: %s", s->file, line, what);
}

static void take(struct scanner *s)
{
	if (*s->at == '\n')
		s->line++;
	buf_put_char(&s->out->text, *s->at++);
}

/* Lines stay lines, so that libconfuse counts them. */
static void blank(struct scanner *s)
{
	if (*s->at == '\n')
		s->line++;
	buf_put_char(&s->out->text, *s->at++ == '\n' ? '\n' : ' ');
}

static int scan_line_comment(struct scanner *s)
{
	while (*s->at && *s->at != '\n')
		blank(s);
	return 0;
}

static int scan_block_comment(struct scanner *s)
{
	int from = s->line;

	blank(s);
	blank(s);
	while (s->at[0] && !(s->at[0] == '*' && s->at[1] == '/'))
		blank(s);
	if (*s->at == '\0')
		return scan_fault(s, from, "this comment is not closed: \"*/\" is missing");
	blank(s);
	blank(s);
	return 0;
}

static int scan_quoted(struct scanner *s)
{
	char quote = *s->at;

	take(s);
	while (*s->at != quote) {
		if (*s->at == '\0' || *s->at == '\n')
			return scan_fault(s, s->line,
					  "the quotation mark is not closed on its line");
		if (quote == '"' && s->at[0] == '$' && s->at[1] == '{')
			return scan_fault(s, s->line,
					  "${...} is not replaced here; write the value itself");
		if (*s->at == '\\') {
			if (s->at[1] != '\\' && s->at[1] != quote)
				return scan_fault(s, s->line,
						  "a backslash in a quoted text is written \\\\");
			take(s);
		}
		take(s);
	}
	take(s);
	s->last = 'w';
	return 0;
}

static int scan_open(struct scanner *s)
{
	bool is_list = s->last == '=';

	if (s->depth == 2 || (s->depth == 1 && !is_list))
		return scan_fault(s, s->line,
				  "\"{\" cannot stand here: the section or list before "
				  "it is not closed");
	s->depth_lines[s->depth++] = s->line;
	if (!is_list) {
		size_t n = s->out->section_count++;

		s->out->section_lines =
			mem_resize(s->out->section_lines, (n + 1) * sizeof(*s->out->section_lines));
		s->out->section_lines[n] = s->line;
	}
	s->last = *s->at;
	take(s);
	return 0;
}

static int scan_close(struct scanner *s)
{
	if (s->depth == 0)
		return scan_fault(s, s->line, "\"}\" without a \"{\" before it");
	s->depth--;
	s->last = *s->at;
	take(s);
	return 0;
}

static bool is_word(char c)
{
	return ascii_is_alnum((unsigned char)c) || (c && strchr("._:/@%~-", c) != NULL);
}

static int scan_stray(struct scanner *s)
{
	unsigned char c = (unsigned char)*s->at;

	if (c < 0x20 || c == 0x7f)
		return fault_set(s->fault, -EINVAL, "%s:%d: a control character (0x%02x)", s->file,
				 s->line, c);
	if (c == '+')
		return scan_fault(s, s->line, "\"+=\" is not known: give the whole list");
	if (c >= 0x80)
		return scan_fault(s, s->line, "what is not ASCII must stand in double quotes");
	return fault_set(s->fault, -EINVAL, "%s:%d: \"%c\" must stand in double quotes", s->file,
			 s->line, c);
}

static int scan_next(struct scanner *s)
{
	char c = *s->at;

	if (c == '\n' || c == ' ' || c == '\t') {
		take(s);
		return 0;
	}
	if (c == '\r' && s->at[1] == '\n') {
		blank(s);
		return 0;
	}
	if (c == '#' || (c == '/' && s->at[1] == '/'))
		return scan_line_comment(s);
	if (c == '/' && s->at[1] == '*')
		return scan_block_comment(s);
	if (c == '"' || c == '\'')
		return scan_quoted(s);
	if (c == '{')
		return scan_open(s);
	if (c == '}')
		return scan_close(s);
	if (c == '=' || c == ',' || c == '(' || c == ')') {
		s->last = c;
		take(s);
		return 0;
	}
	if (!is_word(c))
		return scan_stray(s);
	while (is_word(*s->at))
		take(s);
	s->last = 'w';
	return 0;
}

int conf_scan(const struct conf_text *in, struct conf_scan *out, struct fault *fault)
{
	struct scanner s = {
		.file = in->file, .at = in->text, .line = 1, .out = out, .fault = fault
	};
	int r = 0;

	*out = (struct conf_scan){ 0 };
	while (*s.at && r == 0)
		r = scan_next(&s);
	if (r == 0 && s.depth > 0)
		r = scan_fault(&s, s.depth_lines[s.depth - 1],
			       "\"{\" is not closed: \"}\" is missing");
	if (r < 0) {
		conf_scan_fini(out);
		return r;
	}
	buf_put_char(&out->text, '\0');
	return 0;
}

void conf_scan_fini(struct conf_scan *scan)
{
	buf_fini(&scan->text);
	free(scan->section_lines);
	scan->section_lines = NULL;
	scan->section_count = 0;
}
