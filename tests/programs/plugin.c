/* SPDX-License-Identifier: MIT */
/* A plug-in with the static library in it. */
#include <outbuf.h>

int make(const char *path, size_t size);

int make(const char *path, size_t size)
{
	struct outbuf_view v;
	struct outbuf *ob;
	int r = outbuf_open(&ob, path, NULL);

	if (r < 0)
		return r;
	outbuf_view(ob, &v, 0, size);
	outbuf_fill(&v, 'x', size);
	outbuf_view_end(&v);
	r = outbuf_commit(ob);
	outbuf_close(ob);
	return r;
}
