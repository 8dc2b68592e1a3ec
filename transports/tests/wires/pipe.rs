//! `fd:`: pairs of pipes in this process and with children, and inherited descriptors.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use farcall_transports::pipe_pair;

use crate::harness::{accept, child, connect, listen, receive, send};

#[test]
fn a_conversation_in_one_process() {
    let (here, there) = pipe_pair().unwrap();
    let here = connect(&here.into_url()).unwrap();
    let mut listener = listen(&there.into_url()).unwrap();
    assert!(listener.is_single());
    let there = accept(&mut *listener);
    assert!(listener.accept().is_err());
    crate::conversation::hold(here, there);
}

#[test]
fn an_end_is_taken_up_once() {
    let (here, _there) = pipe_pair().unwrap();
    let url = here.into_url();
    let _link = connect(&url).unwrap();
    assert!(connect(&url).err().unwrap().to_string().contains("cannot be taken up"));
}

#[test]
fn a_child_echoes_over_inherited_pipes_in_every_manner() {
    for disabled in ["", "nosignal", "reopen", "nosignal,reopen"] {
        let (here, there) = pipe_pair().unwrap();
        let mut command = child("echo_over_descriptors");
        let url = there.inherit(&mut command);
        let mut process = command.env("URL", url).env("FARCALL_TEST_DISABLE", disabled).spawn().unwrap();
        drop(command);
        let mut link = connect(&here.into_url()).unwrap();
        for size in [1, 10_000, 65_000] {
            let frame = vec![size as u8; size];
            send(&mut *link, &frame).unwrap();
            assert_eq!(receive(&mut *link).unwrap().unwrap(), frame, "{disabled}");
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(matches!(receive(&mut *link), Ok(None)), "the command is gone, and with it the last copy");
    }
}

#[test]
fn only_the_chosen_child_inherits() {
    let (_here, there) = pipe_pair().unwrap();
    let mut command = child("echo_over_descriptors");
    let url = there.inherit(&mut command);
    let number = url.strip_prefix("fd:").unwrap().split_once(',').unwrap().0.to_owned();
    let link = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    let listing = std::process::Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(!listing.contains(link.to_str().unwrap()), "{listing}");
}

#[test]
fn a_descriptor_of_this_program_is_not_taken_from_its_owner() {
    let (socket, _peer) = UnixStream::pair().unwrap();
    let error = connect(&format!("fd:{}", socket.as_raw_fd())).err().unwrap();
    assert!(error.to_string().contains("not inherited"), "{error}");
}

#[test]
fn descriptors_that_cannot_carry_a_conversation_are_refused() {
    assert!(child("odd_descriptors").status().unwrap().success());
}

#[test]
fn a_broken_wire_does_not_kill_a_program_that_has_not_ignored_the_signal() {
    for disabled in ["", "nosignal", "nosignal,reopen"] {
        let (here, there) = pipe_pair().unwrap();
        drop(here);
        let mut command = child("write_to_nobody");
        let url = there.inherit(&mut command);
        let status = command.env("URL", url).env("FARCALL_TEST_DISABLE", disabled).status().unwrap();
        assert!(status.success(), "without `{disabled}`: {status}");
    }
}
