/* SPDX-License-Identifier: MIT */
/* As if of another libLLVM: with -DLIBRARY its functions, which return what none of LLVM's would; else a caller. */
int create(void) __asm__("_ZN4llvm16FileOutputBuffer6createENS_9StringRefEmj");
int remove_file(void) __asm__("_ZN4llvm3sys2fs6removeERKNS_5TwineEb");

#ifdef LIBRARY
int create(void) { return 40; }
int remove_file(void) { return 2; }
#else
int main(void) { return create() + remove_file() == 42 ? 0 : 1; }
#endif
