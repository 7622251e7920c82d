/* Blocks are looked at by what this processor has; here by all that it might have, and octet by octet. */
#include "test.h"

#include "run.h"

#define LANE 16
#define LANE_TARGET
#define LANE_NAME(n) n
#include "run_blocks.h"
#undef LANE
#undef LANE_NAME
#define LANE 8
#define LANE_NAME(n) n##_narrow
#include "run_blocks.h"

enum { OCTETS = 700, AROUND = 2 * 128 + 6 };

static unsigned char text[OCTETS];

/* Lines of all lengths, so that line ends stand everywhere in blocks. */
static void fill(size_t line)
{
	for (size_t i = 0; i < OCTETS; i++) {
		size_t at = i % (line + 2);

		text[i] = at == line	   ? '\r'
			  : at == line + 1 ? '\n'
					   : (unsigned char)(200 + at % 50);
	}
}

/* How many octets pass, as run.h says it. */
static size_t model(size_t len, bool has_dots, bool *is_start)
{
	size_t n = 0;

	while (n < len) {
		if (text[n] == '\r' && n + 1 < len && text[n + 1] == '\n') {
			*is_start = true;
			n += 2;
		} else if (text[n] == 0 || text[n] == '\r' || text[n] == '\n' ||
			   (text[n] == '.' && *is_start && has_dots)) {
			break;
		} else {
			*is_start = false;
			n++;
		}
	}
	return n;
}

/* Whole blocks of what passes, and no more of them than there are. */
static void assert_blocks(size_t n, size_t block, size_t passes)
{
	assert_true(n <= passes);
	assert_true(n + block + 1 >= passes);
}

static void assert_all_agree(size_t len, bool has_dots)
{
	bool is_start = false, starts = false;
	size_t passes = model(len, has_dots, &starts);
	struct span in = span_of(text, len);

	assert_int_equal(smtp_run_length(in, has_dots, &is_start), passes);
	assert_int_equal(is_start, starts);
	if (text[0] == '\n')
		return;
	assert_blocks(blocks_length(in, has_dots ? '.' : '\n'), 64, passes);
	assert_blocks(blocks_length_narrow(in, has_dots ? '.' : '\n'), 32, passes);
}

static void each_octet_at_each_place(void **state)
{
	static const char octets[] = { '\0', '\r', '\n', '.', 'x' };

	(void)state;
	for (size_t line = 1; line < 80; line += 13) {
		for (size_t i = 0; i < AROUND; i++) {
			for (size_t k = 0; k < sizeof(octets); k++) {
				fill(line);
				text[i] = (unsigned char)octets[k];
				assert_all_agree(OCTETS, true);
				assert_all_agree(OCTETS, false);
			}
		}
	}
}

static void each_length(void **state)
{
	(void)state;
	for (size_t line = 0; line < 140; line++) {
		fill(line);
		for (size_t len = 1; len < AROUND; len++)
			assert_all_agree(len, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_octet_at_each_place),
		cmocka_unit_test(each_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
