/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ops.c - any sequence of calls against the model
 *
 * The input's bytes are the choices of tests/model.c, in order: a choice among at most 256 takes a
 * byte, others two or three. So a changed byte changes one decision and what depends on it, and the
 * fuzzer finds its way by them: random numbers seldom open a View of an odd length behind an
 * unmap in place. When the bytes are used up the case ends, as it would for anybody else.
 */
#include "config.h"

#include "fuzz.h"

#include <stdlib.h>

#include "model/model.h"

struct input {
	const uint8_t *at, *end;
};

static uint64_t next_below(void *arg, uint64_t n)
{
	struct input *in = arg;
	uint64_t x = 0, most;

	for (most = 1; most < n && in->at < in->end; most <<= 8)
		x = x << 8 | *in->at++;
	return x % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model *m;
	struct input in = { data, data + size };
	const char *wrong, *at_end;

	if (m == NULL) {
		m = calloc(1, sizeof *m);
		if (m == NULL)
			finding("out of memory");
		m->path = scratch_path("out");
		m->below = next_below;
	}
	m->arg = &in;
	wrong = model_begin(m);
	while (wrong == NULL && in.at < in.end)
		wrong = model_step(m);
	at_end = model_finish(m);
	if (wrong != NULL || at_end != NULL)
		finding("%s", wrong != NULL ? wrong : at_end);
	return 0;
}
