//! Either side of a ring in memory that answers every load as the input says.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| farcall_transports::fuzzing::ring(data));
