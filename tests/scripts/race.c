/* SPDX-License-Identifier: MIT */
/*
 * Two threads write the same byte through two Views: a race, for check-race.sh to see that
 * ThreadSanitizer looks into the mapping and the heap at all. A run without reports proves
 * something only if this one has one.
 */
#include <outbuf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t offset;

static void *write_there(void *ob)
{
	struct outbuf_view view;
	int i;

	/*
	 * More than once: the sanitizer looks at what it remembers of a place and then notes the new
	 * access, and two threads that come from the same lock at the same moment slip through
	 * between (about 3 runs of 10 with a single write).
	 */
	for (i = 0; i < 100; i++) {
		outbuf_view(ob, &view, offset, 8);
		outbuf_write64(&view, 1);
		outbuf_view_end(&view);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct outbuf *ob;
	pthread_t thread;

	if (argc != 3 || outbuf_open(&ob, argv[1], NULL) != 0 || outbuf_map(ob, 100) != 0)
		return 2;
	offset = strtoull(argv[2], NULL, 0);
	if (pthread_create(&thread, NULL, write_there, ob) != 0)
		return 2;
	write_there(ob);
	pthread_join(thread, NULL);
	return outbuf_close(ob);
}
