//! What `#[farcall::service]` refuses, and how. What it takes is built in `tests/expansion`.

#[test]
fn mistakes_are_refused_in_words() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
