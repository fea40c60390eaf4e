/* SPDX-License-Identifier: MIT */
/* 01_hello.c - two threads write one file, each through a View of its own */
#include <outbuf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void *world(void *ob)
{
	struct outbuf_view view;
	outbuf_view(ob, &view, 7, 7);  /* bytes 7 to 13 are this thread's */
	outbuf_write_string(&view, "world!\n");
	outbuf_view_end(&view);        /* errors are sticky: commit reports them */
	return NULL;
}

int main(int argc, char **argv)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;
	char text[400];
	struct outbuf_view view;
	pthread_t thread;

	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	options.check_complete = 1;    /* a byte that nobody wrote makes commit fail */
	int error = outbuf_open(&ob, argv[1], &options);
	if (!error)
		error = outbuf_map(ob, 14);    /* the size of the part whose layout is known */
	if (!error)
		error = -pthread_create(&thread, NULL, world, ob);
	if (!error) {
		outbuf_view(ob, &view, 0, 7);
		outbuf_write_string(&view, "Hello, ");
		outbuf_view_end(&view);
		pthread_join(thread, NULL);
		error = outbuf_commit(ob);     /* the file appears at the path only now */
	}
	if (error) {
		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "%s: %s\n", argv[0], text);
	}
	outbuf_close(ob);
	return error != 0;
}
