// SPDX-License-Identifier: MIT
// A static library of Rust's, with its standard library in it.
use std::collections::BTreeMap;
use std::panic;

thread_local!(static COUNT: std::cell::Cell<i32> = const { std::cell::Cell::new(5) });

#[no_mangle]
pub extern "C" fn rust_words(n: i32) -> i32 {
    let mut seen = BTreeMap::new();
    for i in 0..n {
        *seen.entry(format!("word {}", i % 3)).or_insert(0) += i;
    }
    for (word, sum) in &seen {
        println!("{word}: {sum}");
    }
    panic::set_hook(Box::new(|_| println!("a panic")));
    let caught = panic::catch_unwind(|| {
        if n > 5 {
            panic!("too many");
        }
    });
    let count = std::thread::spawn(|| COUNT.with(|c| c.get())).join().unwrap();
    seen.len() as i32 + count + caught.is_err() as i32
}
