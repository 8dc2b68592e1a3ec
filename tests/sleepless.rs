//! Whoever never sleeps, by `wait=spin` or by polling, hears all the same what a sleeper would be told: that a deadline has
//! passed, or that the peer has died.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::time::{Duration, Instant};

use farcall::{Code, Error};
use peers::process::{self, Peer};
use peers::service::ProbeClient;
use peers::watch;

/// Far later than what must happen, far earlier than any deadline but the short one.
const SOON: Duration = Duration::from_secs(5);

const WIRES: [&str; 3] = ["shm", "mq", "unix"];

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

/// How a caller waits.
type Wait = fn(&ProbeClient, Duration) -> Error;

fn waits(probe: &ProbeClient, deadline: Duration) -> Error {
    probe.hang().deadline(deadline).wait().unwrap_err()
}

fn awaits(probe: &ProbeClient, deadline: Duration) -> Error {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { probe.hang().deadline(deadline).await.unwrap_err() })
}

fn polls(probe: &ProbeClient, deadline: Duration) -> Error {
    let mut call = probe.hang().deadline(deadline).submit();
    loop {
        match call.try_take() {
            Some(result) => return result.unwrap_err(),
            None => std::thread::yield_now(),
        }
    }
}

const WAYS: [(&str, Wait); 3] = [("?wait=spin", waits), ("?wait=spin", awaits), ("", polls)];

#[test]
fn a_deadline_ends_a_call_whose_caller_never_sleeps() {
    let _dog = watch(60);
    for wire in WIRES {
        let directory = tempfile::tempdir().unwrap();
        let peer = Peer::serving(&format!("{wire}:{}", directory.path().join("s").display()));
        for (waiting, wait) in WAYS {
            let probe: ProbeClient = farcall::connect(format!("{}{waiting}", peer.url())).wait().unwrap();
            let began = Instant::now();
            let error = wait(&probe, Duration::from_millis(100));
            assert_eq!(error.code(), Code::DeadlineExceeded, "{wire}{waiting}: {error}");
            assert!(began.elapsed() < SOON, "{wire}{waiting}: {:?}", began.elapsed());
        }
    }
}

#[test]
fn a_server_that_never_sleeps_lets_go_of_clients_that_are_gone() {
    let _dog = watch(60);
    for wire in WIRES {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("{wire}:{}", directory.path().join("s").display());
        let peer = Peer::serving(&format!("{url}?wait=spin"));
        let open = || std::fs::read_dir(format!("/proc/{}/fd", peer.pid())).unwrap().count();
        let visit = || {
            let probe: ProbeClient = farcall::connect(&*url).wait().unwrap();
            assert_eq!(probe.add(1, 2).wait().unwrap(), 3);
        };
        let before = open();
        (0..8).for_each(|_| visit());
        while open() > before {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_death_ends_a_call_whose_caller_never_sleeps() {
    let _dog = watch(60);
    for wire in WIRES {
        for (waiting, wait) in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let mut peer = Peer::serving(&format!("{wire}:{}", directory.path().join("s").display()));
            let probe: ProbeClient = farcall::connect(format!("{}{waiting}", peer.url())).wait().unwrap();
            assert_eq!(probe.add(1, 2).wait().unwrap(), 3);
            let began = Instant::now();
            let error = std::thread::scope(|scope| {
                scope.spawn(|| peer.kill());
                wait(&probe, Duration::from_secs(30))
            });
            assert!(matches!(error.code(), Code::PeerGone(_)), "{wire}{waiting}: {error}");
            assert!(began.elapsed() < SOON, "{wire}{waiting}: {:?}", began.elapsed());
        }
    }
}
