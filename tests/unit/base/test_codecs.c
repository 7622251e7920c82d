#include "test.h"

#include "base/base64.h"
#include "base/id.h"

#include <errno.h>

static void test_base64_both_ways(void **state)
{
	/* RFC 4648 section 10, and what sets the high bits. */
	static const char *const cases[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xFF\xFE\xFB", "//77" },
		{ "\xFB\xEF\xBE", "++++" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		buf_put_text(&out, "<");
		base64_encode(span_text(cases[i][0]), &out);
		assert_span_text(span_from(buf_span(&out), 1), cases[i][1]);
		buf_clear(&out);
		assert_int_equal(base64_decode(span_text(cases[i][1]), &out), 0);
		assert_span_text(buf_span(&out), cases[i][0]);
		buf_fini(&out);
	}
}

static void test_base64_is_strict(void **state)
{
	static const char *const cases[] = {
		"Z",	   "Zg",   "Zg=",  "Zg===",    "Zh==", /* bits behind the end */
		"Zm9=",	   "Z===", "====", "Zg==Zg==", "Zm 9v", "Zm9v\r\n",
		"Zm9\xC3", "Zm9-", "Zm9_", "=m9v",     "Zm=v",	"Zm9vZg=A",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		buf_put_text(&out, "before");
		if (base64_decode(span_text(cases[i]), &out) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_span_text(buf_span(&out), "before");
		buf_fini(&out);
	}
}

static void test_ids_both_ways(void **state)
{
	static const struct {
		uint64_t id;
		const char *text;
	} cases[] = {
		{ 0, "0000000000000" },	 { 1, "0000000000001" },	  { 31, "000000000000Z" },
		{ 32, "0000000000010" }, { UINT64_MAX, "FZZZZZZZZZZZZ" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[ID_TEXT_MAX];
		uint64_t id = 42;

		id_format(cases[i].id, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(id_parse(span_text(text), &id), 0);
		assert_true(id == cases[i].id);
	}
}

static void test_ids_as_people_type_them(void **state)
{
	static const struct {
		const char *name, *text;
		int status;
		uint64_t id;
	} cases[] = {
		{ "lower case", "000000000000z", 0, 31 },
		{ "o is 0", "oO00000000001", 0, 1 },
		{ "i and l are 1", "000000000iIlL", 0, 0x8421 },
		{ "u is no digit", "000000000000U", -EINVAL, 0 },
		{ "too great", "G000000000000", -EINVAL, 0 },
		{ "too short", "000000000000", -EINVAL, 0 },
		{ "too long", "00000000000000", -EINVAL, 0 },
		{ "empty", "", -EINVAL, 0 },
		{ "space", "000000000000 ", -EINVAL, 0 },
		{ "high bit", "000000000000\xE1", -EINVAL, 0 },
		{ "bracket", "000000000000[", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t id = 0;

		if (id_parse(span_text(cases[i].text), &id) != cases[i].status || id != cases[i].id)
			fail_msg("%s", cases[i].name);
	}
	assert_int_equal(id_parse(span_of("000000000000\0", 13), &(uint64_t){ 0 }), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_both_ways),
		cmocka_unit_test(test_base64_is_strict),
		cmocka_unit_test(test_ids_both_ways),
		cmocka_unit_test(test_ids_as_people_type_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
