/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "support/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/mapping.h"
#include "policy/fspolicy.h"
#include "support/files.h"

/*
 * Tests write little, and what is tested with it is what large outputs do. Some pretend another file system.
 * (test_small.c is about what is turned off here.)
 */
__attribute__((constructor)) static void be_as_large_outputs(void)
{
	ob__mapping_small = 0;
	ob__fspolicy_remembers = 0;
}

static unsigned fds_before;

int sandbox_make(void **state)
{
	const char *parent = getenv("OUTBUF_TEST_DIR");
	struct sandbox *s = calloc(1, sizeof *s);

	if (s == NULL)
		return -1;
	snprintf(s->dir, sizeof s->dir, "%s/test-XXXXXX", parent != NULL ? parent : ".");
	if (mkdtemp(s->dir) == NULL) {
		fprintf(stderr, "%s: %s\n", s->dir, strerror(errno));
		free(s);
		return -1;
	}
	snprintf(s->path, sizeof s->path, "%s/out", s->dir);
	fds_before = count_fds();
	*state = s;
	return 0;
}

static int remove_tree(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);

	if (d == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL) {
		char path[600];
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			remove_tree(path);
		else
			unlink(path);
	}
	closedir(d);
	return rmdir(dir);
}

int sandbox_remove(void **state)
{
	struct sandbox *s = *state;
	int r = remove_tree(s->dir);
	unsigned fds = count_fds();

	free(s);
	if (fds != fds_before) {
		fprintf(stderr, "descriptors: %u before, %u after\n", fds_before, fds);
		return -1;
	}
	return r;
}

unsigned sandbox_entries(const struct sandbox *sandbox)
{
	return count_names(sandbox->dir);
}

void assert_file(const char *path, const void *data, size_t n)
{
	unsigned char block[65536];
	const unsigned char *want = data;
	size_t at = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	while ((got = read(fd, block, sizeof block)) > 0) {
		size_t i;

		if (at + (size_t)got > n)
			break;
		if (memcmp(block, want + at, (size_t)got) != 0) {
			for (i = 0; block[i] == want[at + i]; i++)
				continue;
			close(fd);
			fail_msg("%s: byte %zu is %02x, not %02x", path, at + i, block[i],
			         want[at + i]);
		}
		at += (size_t)got;
	}
	close(fd);
	if (got != 0)
		fail_msg("%s: longer than %zu bytes, or %s", path, n, strerror(errno));
	assert_int_equal(at, n);
}

void assert_absent(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(errno, ENOENT);
}

void write_file(const char *path, const void *data, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(write(fd, data, n), n);
	close(fd);
}

/* Outputs in memory and the paths their bytes go to, for as long as the process lives. Under `copying`. */
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;
static struct copied {
	struct outbuf *ob;
	char path[300];
} copies[16];

static int in_memory(void)
{
	return env_number("OUTBUF_TEST_MEMORY", 0) != 0;
}

int open_any(struct outbuf **ob, const char *path, const struct outbuf_options *options)
{
	static unsigned next;
	int r;

	if (!in_memory())
		return outbuf_open(ob, path, options);
	r = outbuf_open_memory(ob, options);
	if (r == 0) {
		struct copied *copy;
		unsigned i;

		pthread_mutex_lock(&copying);
		copy = &copies[next++ % 16];
		/* One that was never committed may have been at the same address. */
		for (i = 0; i < 16; i++)
			if (copies[i].ob == *ob)
				copies[i].ob = NULL;
		copy->ob = *ob;
		snprintf(copy->path, sizeof copy->path, "%s", path);
		pthread_mutex_unlock(&copying);
	}
	return r;
}

int commit(struct outbuf *ob)
{
	int r = outbuf_commit(ob);
	unsigned i;

	if (r < 0 || !in_memory())
		return r;
	pthread_mutex_lock(&copying);
	for (i = 0; i < 16; i++)
		if (copies[i].ob == ob) {
			uint64_t size;
			const void *data = outbuf_memory(ob, &size);

			write_file(copies[i].path, data, (size_t)size, 0666);
			copies[i].ob = NULL;
		}
	pthread_mutex_unlock(&copying);
	return r;
}

static struct {
	int done, mapped, in_order;
} probed;

void probe_path(char *path, size_t n)
{
	const char *parent = getenv("OUTBUF_TEST_DIR");

	snprintf(path, n, "%s/probe-%ld", parent != NULL ? parent : ".", (long)getpid());
}

/* Ask the library itself, once: what would become of an output here? */
static void probe(void)
{
	char path[300];
	struct outbuf *ob;

	if (probed.done)
		return;
	probe_path(path, sizeof path);
	if (open_any(&ob, path, NULL) != 0 || outbuf_map(ob, 4096) != 0)
		fail_msg("%s: no output can be opened", path);
	probed.mapped = outbuf_is_mapped(ob);
	probed.in_order = strcmp(stats_of(ob).backend, "stream") == 0 ||
	                  strcmp(stats_of(ob).backend, "memory") == 0;
	outbuf_close(ob);
	probed.done = 1;
}

int can_map(void)
{
	probe();
	return probed.mapped;
}

int in_order(void)
{
	probe();
	return probed.in_order;
}

void skip_in_order(void)
{
	if (in_order()) {
		print_message("nothing reaches a file before commit\n");
		skip();
	}
}

void skip_without_file(void)
{
	if (in_memory()) {
		print_message("there is no file\n");
		skip();
	}
}

int has_vm(void)
{
#if defined(HAVE_VM) || defined(_WIN32)
	return 1;
#else
	return 0;
#endif
}

void skip_unmappable(void)
{
	if (required_mapping() != 0 || in_order()) {
		print_message("files cannot be mapped here\n");
		skip();
	}
}

void skip_unmapped(void)
{
	if (!can_map()) {
		print_message("outputs are not mapped here\n");
		skip();
	}
}

struct outbuf *open_with(const char *path, const struct outbuf_options *options)
{
	struct outbuf *ob = NULL;
	int r = open_any(&ob, path, options);

	if (r != 0)
		fail_msg("outbuf_open(%s): %s", path, strerror(-r));
	assert_non_null(ob);
	return ob;
}

struct outbuf *open_mapping(const char *path, uint32_t map, uint32_t order)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.map = map;
	options.order = order;
	return open_with(path, &options);
}

struct outbuf *open_direct(const char *path, uint32_t map)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.map = map;
	options.stage = OUTBUF_NO;
	options.flush = OUTBUF_FLUSH_PWRITE;
	return open_with(path, &options);
}

struct outbuf_stats stats_of(struct outbuf *ob)
{
	struct outbuf_stats stats = { .size = sizeof stats };

	assert_int_equal(outbuf_stats(ob, &stats), 0);
	return stats;
}

struct runner {
	int (*fn)(void *arg, unsigned i);
	void *arg;
	unsigned i;
	int result;
	pthread_t thread;
};

static void *run_one(void *arg)
{
	struct runner *runner = arg;

	runner->result = runner->fn(runner->arg, runner->i);
	return NULL;
}

int run_threads(unsigned n, int (*fn)(void *arg, unsigned i), void *arg)
{
	struct runner *runners = calloc(n, sizeof *runners);
	int first = 0;
	unsigned i;

	assert_non_null(runners);
	for (i = 0; i < n; i++) {
		runners[i] = (struct runner){ .fn = fn, .arg = arg, .i = i };
		assert_int_equal(pthread_create(&runners[i].thread, NULL, run_one, &runners[i]), 0);
	}
	for (i = 0; i < n; i++) {
		pthread_join(runners[i].thread, NULL);
		if (first == 0)
			first = runners[i].result;
	}
	free(runners);
	return first;
}

uint64_t random_next(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *seed, uint64_t n)
{
	return random_next(seed) % n;
}

void forget_wishes(void)
{
	unsetenv("OUTBUF_MAP");
	unsetenv("OUTBUF_STAGE");
	unsetenv("OUTBUF_FLUSH");
}

int is_refused(const char *call)
{
	const char *refused = getenv("OUTBUF_TEST_REFUSED");

	return refused != NULL && strcmp(refused, call) == 0;
}

unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? strtoul(text, NULL, 0) : otherwise;
}

#if defined(__SANITIZE_THREAD__)
#define ONE_IN 5
#elif defined(__SANITIZE_ADDRESS__)
#define ONE_IN 3
#else
#define ONE_IN 1
#endif

unsigned long one_in(void)
{
	unsigned long n = env_number("OUTBUF_TEST_EVERY", ONE_IN);

	return n > 0 ? n : 1;
}

int is_turn(unsigned long number, unsigned long most)
{
	return number % (one_in() < most ? one_in() : most) == 0;
}

unsigned long fewer(unsigned long n, unsigned long most)
{
	return n / (one_in() < most ? one_in() : most);
}

unsigned long sequences(unsigned long n)
{
	return env_number("OUTBUF_TEST_SEQUENCES", (n + one_in() - 1) / one_in());
}

int fill_some(struct outbuf *ob, uint8_t byte, size_t n)
{
	struct outbuf_view v;

	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, byte, n);
	return outbuf_view_end(&v);
}

void assert_filled(const struct sandbox *s, size_t n)
{
	unsigned char *want = malloc(n);

	assert_non_null(want);
	memset(want, 'n', n);
	assert_file(s->path, want, n);
	free(want);
}
