/* SPDX-License-Identifier: MIT */
/*
 * Load the plug-in, let it replace a large output, and unload it at once: no thread of the library may run any more.
 * The file is large enough that its blocks are freed in the background. Prints how often the plug-in was really
 * unloaded: never, if it is linked with -z nodelete.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int i, unloaded = 0, times = argc > 3 ? atoi(argv[3]) : 0;

	for (i = 0; i < times; i++) {
		void *plugin = dlopen(argv[1], RTLD_NOW), *symbol;
		int (*make)(const char *path, size_t size), r;

		if (plugin == NULL || (symbol = dlsym(plugin, "make")) == NULL) {
			printf("%s\n", dlerror());
			return 1;
		}
		*(void **)&make = symbol;
		r = make(argv[2], (size_t)32 << 20);
		if (r < 0) {
			printf("make: error %d\n", r);
			return 1;
		}
		if (dlclose(plugin) != 0) {
			printf("%s\n", dlerror());
			return 1;
		}
		plugin = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
		unloaded += plugin == NULL;
	}
	printf("unloaded %d times of %d\n", unloaded, times);
	return times == 0;
}
