//! Servers whose children keep their sockets open: there is no end of file when such a server dies.

use std::thread;
use std::time::Instant;

use farcall::{Call, Code, Error, Fate, Gone};

use crate::peers::process::{self, Peer, cast};
use crate::peers::service::ProbeClient;
use crate::peers::watch;
use crate::peers::witness::Death;
use crate::{ROUNDS, SOON, directory, kill_under, on_a_runtime, socket};

/// Whether this kernel says who speaks (Linux 6.5).
pub(crate) fn kernel_names_speakers() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

/// Children that keep sockets open until this is dropped.
pub(crate) struct Heirs(pub(crate) Vec<u32>);

impl Drop for Heirs {
    fn drop(&mut self) {
        self.0.iter().for_each(|pid| process::kill(*pid));
    }
}

/// Kills a server, whose one call hangs, and sees the call end in time: known to be dead, and what it did unknown.
fn ends_in_time(probe: &ProbeClient, pid: u32, wait: impl FnOnce(Call<()>) -> Error) {
    let call = probe.hang().submit();
    probe.hanging(1).wait().unwrap();
    let death = Death::of(pid);
    let error = wait(call);
    death.was_noticed(Instant::now(), SOON);
    assert_eq!((error.code(), error.fate()), (Code::PeerGone(Gone::Exited), Fate::Unknown));
}

/// Some rounds, each with a client of a server whose sockets its children keep.
fn rounds_with_heirs(round: impl Fn(&ProbeClient, u32)) {
    let _dog = watch(40);
    if !kernel_names_speakers() {
        return;
    }
    for _ in 0..ROUNDS {
        let directory = directory();
        let peer = Peer::serving(&socket(&directory));
        let probe: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
        let _heirs = Heirs(probe.bequeath_sockets().wait().unwrap());
        round(&probe, peer.pid());
    }
}

#[test]
fn a_child_that_keeps_the_dead_servers_socket_delays_no_thread() {
    rounds_with_heirs(|probe, pid| {
        for error in kill_under(4, probe, pid) {
            assert_eq!((error.code(), error.fate()), (Code::PeerGone(Gone::Exited), Fate::Unknown));
        }
    });
}

#[test]
fn a_child_that_keeps_the_dead_servers_socket_delays_nobody_who_polls() {
    rounds_with_heirs(|probe, pid| {
        ends_in_time(probe, pid, |mut call| {
            loop {
                match call.try_take() {
                    Some(result) => break result.unwrap_err(),
                    None => thread::yield_now(),
                }
            }
        });
    });
}

#[test]
fn a_child_that_keeps_the_dead_servers_socket_delays_no_task() {
    let _dog = watch(40);
    if !kernel_names_speakers() {
        return;
    }
    for _ in 0..ROUNDS {
        on_a_runtime(async {
            let directory = directory();
            let peer = Peer::serving(&socket(&directory));
            let probe: ProbeClient = farcall::connect(peer.url()).await.unwrap();
            let _heirs = Heirs(probe.bequeath_sockets().await.unwrap());
            let call = tokio::spawn(probe.hang());
            probe.hanging(1).await.unwrap();
            let death = Death::of(peer.pid());
            let error = call.await.unwrap().unwrap_err();
            death.was_noticed(Instant::now(), SOON);
            assert_eq!((error.code(), error.fate()), (Code::PeerGone(Gone::Exited), Fate::Unknown));
        });
    }
}

#[test]
fn the_process_that_speaks_counts_and_not_the_dead_one_that_listened() {
    let _dog = watch(40);
    if !kernel_names_speakers() {
        return;
    }
    for _ in 0..ROUNDS {
        let directory = directory();
        let path = directory.path().join("s");
        let mut maker = cast("relay", path.to_str().unwrap()).start();
        let probe: ProbeClient = farcall::connect(maker.url()).wait().unwrap();
        maker.bury();
        // The maker of the socket is gone and the calls go on.
        let pid = probe.pid().wait().unwrap();
        let _heirs = Heirs(probe.bequeath_sockets().wait().unwrap());
        assert_ne!(pid, maker.pid());
        ends_in_time(&probe, pid, |call| call.wait().unwrap_err());
    }
}
