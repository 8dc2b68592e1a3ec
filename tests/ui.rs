//! What `#[farcall::service]` takes without a warning, and what it refuses, and how.

#[test]
fn services_expand_without_a_warning() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}

#[test]
fn mistakes_are_refused_in_words() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
