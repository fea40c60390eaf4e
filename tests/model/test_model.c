/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of operations on several Views against a plain array of bytes (model.h): the array
 * is what the file must be. Each sequence has its own seed, printed when it fails; run one with
 *     OUTBUF_TEST_SEED=0x... OUTBUF_TEST_SEQUENCES=1 tests/test_model
 *
 * First with nothing that fails, and with what the environment wishes (tests/scripts/each-way.sh); then with
 * every option, every kind of output and every error that the model knows. fuzz/fuzz_ops.c does
 * the latter with inputs that are looked for, not drawn.
 */
#include "config.h"

#include "model/model.h"
#include "support/files.h"
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

static uint64_t next_below(void *seed, uint64_t n)
{
	return random_below(seed, n);
}

static const char *run_sequence(struct model *m)
{
	const char *wrong = model_begin(m), *at_end;
	unsigned i, steps = 5 + (unsigned)m->below(m->arg, 60);

	for (i = 0; i < steps && wrong == NULL; i++)
		wrong = model_step(m);
	at_end = model_finish(m);
	return wrong != NULL ? wrong : at_end;
}

static struct model *run_sequences(struct sandbox *s, int tame, unsigned long n)
{
	uint64_t first = env_number("OUTBUF_TEST_SEED", 0x6f757462), seed;
	struct model *m = calloc(1, sizeof *m);
	unsigned long i;

	assert_non_null(m);
	m->below = next_below;
	m->arg = &seed;
	m->path = s->path;
	m->tame = tame;
	m->no_blocks = required_blocks() != 0;
#ifdef _WIN32
	m->open_stays = 1;
#else
	m->open_stays = strcmp(file_system_of(s->dir), "cifs") == 0;
#endif
	m->kind = env_number("OUTBUF_TEST_MEMORY", 0) ? MODEL_MEMORY : MODEL_FILE;
	for (i = 0; i < n; i++) {
		const char *wrong;

		seed = first + i;
		wrong = run_sequence(m);
		if (wrong != NULL)
			fail_msg("sequence with OUTBUF_TEST_SEED=0x%llx: %s",
			         (unsigned long long)(first + i), wrong);
	}
	print_message("%lu sequences from OUTBUF_TEST_SEED=0x%llx: %lu operations, %lu maps, "
	              "%lu unmaps, %lu cuts, %lu failed, %lu recycled\n", n, (unsigned long long)first,
	              m->operations, m->maps, m->unmaps, m->cuts, m->failed, m->recycled);
	return m;
}

static void test_random_sequences(void **state)
{
	unsigned long n = sequences(3000);
	struct model *m = run_sequences(*state, 1, n);

	/* The model is worth something only if it gets to these. */
	assert_true(n < 100 || (m->maps > n / 10 && m->cuts > n / 10));
	assert_true(n < 100 || !can_map() || m->unmaps > n / 20);
	assert_int_equal(m->failed, 0);
	free(m);
}

static void test_random_failures(void **state)
{
	unsigned long n = sequences(3000);
	struct model *m = run_sequences(*state, 0, n);

	assert_true(n < 100 || (m->failed > n / 20 && m->failed < n));
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_random_sequences),
		sandbox_test(test_random_failures),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
