/* SPDX-License-Identifier: MIT */
/* A file as a disk of this machine, mounted where only this process sees it. */
#ifndef TESTS_POWER_FAILURE_MOUNTS_H
#define TESTS_POWER_FAILURE_MOUNTS_H

/* From now on, what this process and its children mount is their own, and ends with them. 0, or -1 and errno. */
int mounts_private(void);

/* Mount the file system of type `type` that the file `disk` has. 0 or a negative errno. */
int mounts_mount(const char *disk, const char *dir, const char *type, const char *options);

/* Unmount it. 0 or a negative errno: -EBUSY after 2 s. */
int mounts_unmount(const char *dir, const char *type);

/* Unmount whatever it is, or nothing, also while it is in use. */
void mounts_detach(const char *dir);

#endif
