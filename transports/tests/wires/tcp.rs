//! `tcp:`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use farcall_core::Code;
use farcall_core::transport::Readiness;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

use crate::harness::{LIMIT, accept, connect, fault, listen, pair, receive, send};

#[test]
fn a_conversation() {
    let (here, there, _listener) = pair("tcp://127.0.0.1:0");
    assert!(here.capabilities().needs_ping);
    assert!(there.peer().address.unwrap().starts_with("127.0.0.1:"));
    crate::conversation::hold(here, there);
}

#[test]
fn a_conversation_over_ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let (here, there, _listener) = pair("tcp://[::1]:0");
    assert!(here.peer().address.unwrap().starts_with("[::1]:"));
    crate::conversation::hold(here, there);
}

#[test]
fn plaintext_may_be_allowed() {
    let listener = listen("tcp://0.0.0.0:0?plaintext=allow").unwrap();
    assert!(listener.local_url().starts_with("tcp://0.0.0.0:"));
}

#[test]
fn a_refused_port_surfaces_at_the_next_use() {
    // Bound but not listening: nobody else gets this port meanwhile.
    let bound = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&bound, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let free = SocketAddr::try_from(getsockname(&bound).unwrap()).unwrap();
    let url = format!("tcp://{free}");
    let said = fault(&mut *connect(&url).unwrap());
    assert!(said.contains("start the server"), "{said}");
    let sent = send(&mut *connect(&url).unwrap(), b"x").unwrap_err().to_string();
    assert!(sent.contains("start the server"), "{sent}");
}

#[test]
fn the_second_address_is_tried_on_the_same_descriptor() {
    // Nobody listens at [::1], which is tried first.
    let mut listener = listen("tcp://127.0.0.1:0").unwrap();
    let port = listener.local_url().rsplit_once(':').unwrap().1.to_owned();
    let mut link = connect(&format!("tcp://localhost:{port}")).unwrap();
    let Readiness::Fd { read, .. } = link.readiness() else { unreachable!() };
    send(&mut *link, b"x").unwrap();
    assert_eq!(link.peer().address, Some(format!("127.0.0.1:{port}")));
    assert!(matches!(link.readiness(), Readiness::Fd { read: now, .. } if Arc::ptr_eq(&read, &now)));
    drop(read);
    let mut there = accept(&mut *listener);
    assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"x"[..]));
    crate::conversation::hold(link, there);
}

#[test]
fn the_first_address_is_reached_where_there_are_two() {
    let Ok(mut listener) = listen("tcp://[::1]:0") else {
        return;
    };
    let port = listener.local_url().rsplit_once(':').unwrap().1.to_owned();
    let mut link = connect(&format!("tcp://localhost:{port}")).unwrap();
    send(&mut *link, b"x").unwrap();
    assert_eq!(link.peer().address, Some(format!("[::1]:{port}")));
    assert_eq!(receive(&mut *accept(&mut *listener)).unwrap().as_deref(), Some(&b"x"[..]));
}

#[test]
fn a_port_in_use_is_refused_with_the_remedy() {
    let listener = listen("tcp://127.0.0.1:0").unwrap();
    let error = listen(&listener.local_url()).err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("port 0"), "{error}");
}

#[test]
fn an_address_of_another_machine_cannot_be_served() {
    let error = listen("tcp://192.0.2.1:0?plaintext=allow").err().unwrap();
    assert!(error.to_string().contains("no such address"), "{error}");
}

#[test]
fn an_unknown_host_is_named() {
    let error = connect("tcp://no-such-host.invalid:1").err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("`no-such-host.invalid`"), "{error}");
}

#[test]
fn an_http_client_is_told_where_it_is() {
    let mut listener = listen("tcp://127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_url().strip_prefix("tcp://").unwrap()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut link = accept(&mut *listener);
    assert!(fault(&mut *link).contains("does not speak Farcall"));
    drop(link);
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[test]
fn connections_that_are_gone_before_they_are_accepted_do_no_harm() {
    let mut listener = listen("tcp://127.0.0.1:0").unwrap();
    let address = listener.local_url().strip_prefix("tcp://").unwrap().to_owned();
    for _ in 0..100 {
        let stream = TcpStream::connect(&address).unwrap();
        rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
    }
    let mut here = connect(&listener.local_url()).unwrap();
    send(&mut *here, b"alive").unwrap();
    let found = (0..101)
        .any(|_| matches!(receive(&mut *accept(&mut *listener)), Ok(Some(frame)) if frame == b"alive"));
    assert!(found);
}
