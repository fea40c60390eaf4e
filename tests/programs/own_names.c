/* SPDX-License-Identifier: MIT */
/*
 * A program that has functions of names which files of the library once had as globals. Linked with the static library
 * it must call its own functions, and the library must call none of them.
 */
#include <outbuf.h>
#include <stdio.h>

static int calls;

static int called(void)
{
	calls++;
	return -1;
}

int choose(int a, int b);
int carry(int a);
int reserve(int a);
int recycle(void);
int heap_init(void);
int sys_close(int fd);

int choose(int a, int b)
{
	called();
	return a < b ? a : b;
}

int carry(int a)
{
	return called() + a;
}

int reserve(int a)
{
	return called() + a;
}

int recycle(void)
{
	return called();
}

int heap_init(void)
{
	return called();
}

int sys_close(int fd)
{
	return called() - fd;
}

static int write_output(const char *path)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view view;
	struct outbuf *ob;
	int r;

	options.recycle = 1;
	r = outbuf_open(&ob, path, &options);
	if (r < 0)
		return r;
	r = outbuf_map(ob, 5);
	if (r == 0)
		r = outbuf_view(ob, &view, 0, 10);
	if (r == 0) {
		outbuf_write_string(&view, "0123456789");
		outbuf_view_end(&view);
		r = outbuf_commit(ob);
	}
	outbuf_close(ob);
	return r;
}

int main(int argc, char **argv)
{
	int i, r = argc == 2 ? 0 : -1;

	/* The first output has no spare, the third has one. */
	for (i = 0; r == 0 && i < 3; i++)
		r = write_output(argv[1]);
	if (r != 0 || calls != 0)
		return 1;
	if (choose(2, 1) != 1 || carry(1) != 0 || reserve(1) != 0 || recycle() != -1 || heap_init() != -1 || sys_close(1) != -2)
		return 1;
	puts("own names");
	return calls == 6 ? 0 : 1;
}
