/* SPDX-License-Identifier: MIT */
/* The version there is when this is linked, and each of them by name. */
__asm__(".symver foo_one, foo@V1");
__asm__(".symver foo_null, foo@V0");

int foo(void);
int foo_one(void);
int foo_null(void);
int use_them(void);

int use_them(void)
{
	return foo() + 10 * foo_one() + 100 * foo_null();
}
