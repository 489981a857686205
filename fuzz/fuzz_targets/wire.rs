//! The harness under libFuzzer: `cargo xtask fuzz`, or `cargo fuzz run wire`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| stellata_fuzz::chosen().run(input));
