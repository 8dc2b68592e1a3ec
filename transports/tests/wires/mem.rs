//! `mem:`.

use farcall_core::Code;
use farcall_core::transport::Received;

use crate::harness::{connect, listen, pair};

#[test]
fn a_conversation() {
    let (here, there, _listener) = pair("mem:conversation");
    crate::conversation::hold(here, there);
}

#[test]
fn nobody_serves_the_name() {
    let error = connect("mem:nobody").err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(
        error.to_string().contains("mem:nobody") && error.to_string().contains("serve it first"),
        "{error}"
    );
}

#[test]
fn a_name_is_served_once_and_again_after_the_end() {
    let listener = listen("mem:once").unwrap();
    assert_eq!(listen("mem:once").err().unwrap().code(), Code::InvalidConfig);
    drop(listener);
    listen("mem:once").unwrap();
}

#[test]
fn a_link_that_was_never_accepted_ends_with_its_listener() {
    let listener = listen("mem:abandoned").unwrap();
    let mut link = connect("mem:abandoned").unwrap();
    drop(listener);
    assert!(matches!(link.receive(), Ok(Received::Closed)));
}

#[test]
fn an_armed_reader_is_not_put_to_sleep_over_a_frame() {
    let (mut here, mut there, _listener) = pair("mem:armed");
    assert!(there.arm());
    crate::harness::send(&mut *here, b"x").unwrap();
    assert!(!there.arm());
}
