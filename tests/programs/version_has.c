/* SPDX-License-Identifier: MIT */
/* One function in two versions, as shared libraries have them. */
__asm__(".symver foo_now, foo@@V1");
__asm__(".symver foo_before, foo@V0");

int foo_now(void);
int foo_before(void);

int foo_now(void)
{
	return 1;
}

int foo_before(void)
{
	return 0;
}
