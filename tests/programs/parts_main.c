/* SPDX-License-Identifier: MIT */
int one(int x);

static int local(int x) { return x - 1; }
int (*volatile pointer)(int) = local;

int main(void) { return one(pointer(2)) == 1 + 3 + 'o' ? 0 : 1; }
