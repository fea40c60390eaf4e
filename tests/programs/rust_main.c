/* SPDX-License-Identifier: MIT */
int rust_words(int n);

int main(void) { return rust_words(10); }
