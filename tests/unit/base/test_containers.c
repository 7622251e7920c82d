#include "test.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
	struct list_node link;
	struct heap_node due;
	char key[16];
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void test_list(void **state)
{
	struct list l;
	struct item a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	list_init(&l);
	assert_null(list_first(&l));
	assert_null(list_last(&l));
	assert_null(list_pop_front(&l));
	list_push_back(&l, &b.link);
	list_push_front(&l, &a.link);
	list_push_back(&l, &c.link);
	assert_ptr_equal(list_entry(list_first(&l), struct item, link), &a);
	assert_ptr_equal(list_entry(list_last(&l), struct item, link), &c);
	list_remove(&l, &b.link);
	assert_false(list_holds(&b.link));
	assert_true(list_holds(&a.link));
	list_insert_before(&l, &c.link, &b.link);
	assert_ptr_equal(a.link.next, &b.link);
	list_each (&l, node)
		list_remove(&l, node);
	assert_true(list_is_empty(&l));
	assert_null(list_first(&l));
}

static void check_heap(const struct heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		assert_int_equal(h->at[i].node->place, i + 1);
		assert_true(h->at[i].node->key == h->at[i].key);
		if (i)
			assert_true(h->at[(i + 1) / 2 - 1].key <= h->at[i].key);
	}
}

static void test_heap(void **state)
{
	enum { COUNT = 200 };
	static struct item items[COUNT];
	struct heap h = { 0 };
	uint32_t random = 5;

	(void)state;
	assert_null(heap_first(&h));
	for (int i = 0; i < 5000; i++) {
		struct item *item = &items[next_random(&random) % COUNT];

		if (heap_holds(&item->due))
			heap_remove(&h, &item->due);
		else
			heap_insert(&h, &item->due, (int64_t)(next_random(&random) % 50) - 25);
		check_heap(&h);
	}
	heap_remove(&h, &(struct heap_node){ 0 });
	for (int64_t last = INT64_MIN; heap_first(&h);) {
		struct heap_node *first = heap_first(&h);

		assert_true(first->key >= last);
		last = first->key;
		heap_remove(&h, first);
		assert_false(heap_holds(first));
	}
	heap_fini(&h);
}

static struct span key_of(const struct item *item)
{
	return span_text(item->key);
}

/* Against a plain array of flags, with removals that close gaps across the end of the table. */
static void test_map(void **state)
{
	enum { COUNT = 300 };
	static struct item items[COUNT];
	static bool is_in[COUNT];
	struct map m;
	size_t count = 0;
	uint32_t random = 9;

	(void)state;
	map_init(&m, 77);
	assert_null(map_get(&m, span_text("none")));
	assert_null(map_remove(&m, span_text("none")));
	for (int i = 0; i < COUNT; i++)
		snprintf(items[i].key, sizeof(items[i].key), "key %d", i);
	for (int round = 0; round < 20000; round++) {
		unsigned i = next_random(&random) % COUNT;
		void *before = is_in[i] ? &items[i] : NULL;

		assert_ptr_equal(map_get(&m, key_of(&items[i])), before);
		if (next_random(&random) % 2)
			assert_ptr_equal(map_put(&m, key_of(&items[i]), &items[i]), before);
		else
			assert_ptr_equal(map_remove(&m, key_of(&items[i])), before);
		count -= is_in[i];
		is_in[i] = map_get(&m, key_of(&items[i])) != NULL;
		count += is_in[i];
		assert_int_equal(m.count, count);
	}
	for (int i = 0; i < COUNT; i++)
		assert_ptr_equal(map_get(&m, key_of(&items[i])), is_in[i] ? &items[i] : NULL);
	map_fini(&m);
}

static void test_map_visits_each_once(void **state)
{
	enum { COUNT = 50 };
	static struct item items[COUNT];
	struct map m;
	struct item *item, other = { .key = "key 7" };
	size_t place = 0, visits = 0;

	(void)state;
	map_init(&m, 1);
	for (int i = 0; i < COUNT; i++) {
		snprintf(items[i].key, sizeof(items[i].key), "key %d", i);
		map_put(&m, key_of(&items[i]), &items[i]);
	}
	assert_ptr_equal(map_put(&m, key_of(&other), &other), &items[7]);
	for (; (item = map_next(&m, &place)) != NULL; visits++) {
		assert_true(item->due.place == 0);
		item->due.place = 1;
	}
	assert_int_equal(visits, COUNT);
	assert_int_equal(other.due.place, 1);
	map_fini(&m);
}

static void test_memory_is_cleared(void **state)
{
	unsigned char *at = mem_alloc(100), zeros[100] = { 0 };
	char *text = mem_text_n("abcdef", 3);

	(void)state;
	assert_memory_equal(at, zeros, 100);
	at = mem_resize(at, 200);
	memset(at, 7, 200);
	mem_wipe(at, 100);
	assert_memory_equal(at, zeros, 100);
	assert_int_equal(at[100], 7);
	assert_string_equal(text, "abc");
	mem_wipe(NULL, 5);
	free(at);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_heap),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_visits_each_once),
		cmocka_unit_test(test_memory_is_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
