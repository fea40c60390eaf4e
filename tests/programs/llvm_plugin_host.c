/* SPDX-License-Identifier: MIT */
/* llvm_plugin_host PLUG-IN PATH: load the plug-in for itself alone, and let it make and remove an output. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *plugin = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL, *symbol;
	int (*make_and_remove)(const char *path), r;

	if (plugin == NULL || (symbol = dlsym(plugin, "make_and_remove")) == NULL) {
		printf("%s\n", dlerror());
		return 1;
	}
	*(void **)&make_and_remove = symbol;
	r = make_and_remove(argv[2]);
	printf("%d\n", r);
	return r;
}
