//! Peers that break every rule of the wire, while a good client goes on being served.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use farcall::{Code, ServerHandle};
use peers::process::{self, Peer, cast};
use peers::raw::{self, PREFACE, Raw, bare, framed, frames, record, renumbered, with_deadline};
use peers::service::{Gauge, ProbeClient, ProbeServer, Subject};
use peers::watch;
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

/// Handlers that harm nobody, whatever their arguments are.
#[farcall::service]
pub trait Target {
    /// Adds.
    async fn add(&self, a: u64, b: u64) -> u64;
    /// Turns round.
    async fn reversed(&self, text: &str, numbers: Vec<u32>) -> (String, Vec<u32>);
}

struct Bystander;

impl Target for Bystander {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    async fn reversed(&self, text: &str, numbers: Vec<u32>) -> (String, Vec<u32>) {
        (text.chars().rev().collect(), numbers.into_iter().rev().collect())
    }
}

/// A server under attack and a client that has done nothing wrong.
struct Siege {
    good: TargetClient,
    path: PathBuf,
    _server: ServerHandle,
    _runtime: Option<Runtime>,
    _directory: TempDir,
}

fn siege(on_a_runtime: bool) -> Siege {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let serve = farcall::serve(format!("unix:{}", path.display()), TargetServer::new(Bystander));
    let runtime = on_a_runtime
        .then(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    let server = match &runtime {
        Some(runtime) => runtime.block_on(async { serve.await }).unwrap(),
        None => serve.wait().unwrap(),
    };
    let good = farcall::connect(server.url()).wait().unwrap();
    Siege { good, path, _server: server, _runtime: runtime, _directory: directory }
}

impl Siege {
    fn attacker(&self) -> Raw {
        Raw::connect(&self.path)
    }

    /// The good client is served as ever.
    fn assert_unharmed(&self) {
        let began = Instant::now();
        assert_eq!(self.good.add(20, 22).wait().unwrap(), 42);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }

    fn recording(&self) -> Vec<u8> {
        record(&self.path, |url| {
            let target: TargetClient = farcall::connect(url).wait().unwrap();
            assert_eq!(target.add(1, 2).wait().unwrap(), 3);
            assert_eq!(target.reversed("abc", vec![1, 2, 3]).wait().unwrap().0, "cba");
        })
    }
}

#[test]
fn a_conversation_cut_at_any_byte_harms_nobody() {
    let _dog = watch(60);
    for siege in [siege(false), siege(true)] {
        let recording = siege.recording();
        for cut in 0..recording.len() {
            let mut attacker = siege.attacker();
            attacker.say(&recording[..cut]);
            attacker.hear_out();
            if cut % 16 == 0 {
                siege.assert_unharmed();
            }
        }
        siege.assert_unharmed();
    }
}

#[test]
fn a_conversation_with_any_bit_flipped_harms_nobody() {
    let _dog = watch(60);
    let siege = siege(false);
    let mut recording = siege.recording();
    for bit in 0..recording.len() * 8 {
        recording[bit / 8] ^= 1 << (bit % 8);
        let mut attacker = siege.attacker();
        attacker.say(&recording);
        attacker.hear_out();
        recording[bit / 8] ^= 1 << (bit % 8);
        if bit % 64 == 0 {
            siege.assert_unharmed();
        }
    }
    siege.assert_unharmed();
}

#[test]
fn a_length_of_four_gigabytes_ends_its_connection_at_once() {
    let _dog = watch(30);
    for siege in [siege(false), siege(true)] {
        let recording = siege.recording();
        let hello = framed(&frames(&recording)[0]);
        for lengths in [u32::MAX, u32::MAX / 2, 1 << 20] {
            // As the first frame, and after a hello that is in order.
            for good in [PREFACE, PREFACE + hello.len()] {
                let mut attacker = siege.attacker();
                attacker.say(&recording[..good]);
                attacker.say(&lengths.to_le_bytes());
                attacker.wait_for_the_end();
            }
        }
        siege.assert_unharmed();
    }
}

#[test]
fn whoever_stops_in_the_middle_of_a_frame_holds_nobody_up() {
    let _dog = watch(30);
    for siege in [siege(false), siege(true)] {
        let recording = siege.recording();
        let silent: Vec<Raw> = (0..50)
            .map(|part| {
                let mut attacker = siege.attacker();
                attacker.say(&recording[..recording.len() * part / 50]);
                attacker
            })
            .collect();
        for n in 0..100 {
            assert_eq!(siege.good.add(n, n).wait().unwrap(), 2 * n);
        }
        drop(silent);
        siege.assert_unharmed();
    }
}

#[test]
fn whoever_does_not_say_hello_is_shown_the_door_after_five_seconds() {
    let _dog = watch(30);
    let sieges = [siege(false), siege(true)];
    let began = Instant::now();
    let mut silent = Vec::new();
    for siege in &sieges {
        let recording = siege.recording();
        for said in [0, 3, PREFACE, PREFACE + 9] {
            let mut attacker = siege.attacker();
            attacker.say(&recording[..said]);
            silent.push(attacker);
        }
    }
    for mut attacker in silent {
        attacker.wait_for_the_end();
    }
    assert!((4..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    sieges.iter().for_each(Siege::assert_unharmed);
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_five_seconds() {
    let _dog = watch(30);
    let (silent, began) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), Instant::now());
    let url = format!("tcp://{}", silent.local_addr().unwrap());
    let error = farcall::connect::<TargetClient>(url.as_str()).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::Unavailable, farcall::Fate::NotSent));
    assert!(error.to_string().starts_with(&format!("{url}: no answer within 5s")), "{error}");
    assert!((4..7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn a_browser_gets_an_answer_that_helps() {
    let _dog = watch(30);
    for siege in [siege(false), siege(true)] {
        let mut browser = siege.attacker();
        browser.say(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = String::from_utf8_lossy(&browser.wait_for_the_end()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Farcall"), "{answer}");
        siege.assert_unharmed();
    }
}

#[test]
fn hostile_deadlines_are_cut_or_have_passed() {
    let _dog = watch(30);
    let siege = siege(false);
    let recording = siege.recording();
    let [hello, open, call, ..] = &frames(&recording)[..] else { panic!("a hello, an opening, a call") };
    for (nanos, answer) in [(u64::MAX, raw::REPLY), (u64::MAX / 2, raw::REPLY), (0, raw::ERROR)] {
        let mut attacker = siege.attacker();
        attacker.say(&recording[..PREFACE]);
        for frame in [hello, open, &with_deadline(call, nanos)] {
            attacker.say(&framed(frame));
        }
        let (_hello, _opened) = (attacker.next_frame(true), attacker.next_frame(false));
        assert_eq!(attacker.next_frame(false)[0], answer, "{nanos} ns");
    }
    assert_eq!(siege.good.add(1, 1).deadline(Duration::MAX).wait().unwrap(), 2);
    let error = siege.good.add(1, 1).deadline(Duration::ZERO).wait().unwrap_err();
    assert_eq!(error.code(), farcall::Code::DeadlineExceeded, "{error:?}");
    siege.assert_unharmed();
}

#[test]
fn frames_that_bring_nothing_are_borne_for_a_while_only() {
    let _dog = watch(30);
    let siege = siege(false);
    let recording = siege.recording();
    let mut attacker = siege.attacker();
    attacker.say(&recording[..PREFACE]);
    attacker.say(&framed(&frames(&recording)[0]));
    let mut reader = attacker.again();
    let heard = std::thread::spawn(move || reader.wait_for_the_end());
    let ping = framed(&bare(raw::PING, 7)).repeat(100);
    while attacker.say(&ping) {}
    assert!(heard.join().unwrap().len() < 1 << 20);
    siege.assert_unharmed();
}

/// A server with handlers that hang, and the frames of somebody who calls one.
struct Hanging {
    server: ServerHandle,
    gauge: Gauge,
    path: PathBuf,
    _directory: TempDir,
    greeting: Vec<u8>,
    call: Vec<u8>,
}

fn hanging() -> Hanging {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let subject = Subject::default();
    let gauge = Gauge::clone(&subject.hanging);
    let url = format!("unix:{}", path.display());
    let server = farcall::serve(url, ProbeServer::new(subject)).wait().unwrap();
    let recording = record(&path, |url| {
        let probe: ProbeClient = farcall::connect(url).wait().unwrap();
        let call = probe.hang().submit();
        probe.hanging(1).wait().unwrap();
        drop(call);
    });
    let frames = frames(&recording);
    let greeting = [&recording[..PREFACE], &framed(&frames[0]), &framed(&frames[1])].concat();
    Hanging { server, gauge, path, _directory: directory, greeting, call: frames[2].clone() }
}

impl Hanging {
    fn wait_until_none_hangs(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut gauge = self.gauge.subscribe();
            gauge.wait_for(|count| *count == 0).await.unwrap();
        });
    }
}

#[test]
fn calls_beyond_the_window_end_their_connection_and_its_handlers() {
    let _dog = watch(30);
    let hanging = hanging();
    let mut attacker = Raw::connect(&hanging.path);
    attacker.say(&hanging.greeting);
    let mut reader = attacker.again();
    let heard = std::thread::spawn(move || reader.wait_for_the_end());
    for number in 1..=300 {
        attacker.say(&framed(&renumbered(&hanging.call, number << 16)));
    }
    heard.join().unwrap();
    hanging.wait_until_none_hangs();
    let good: ProbeClient = farcall::connect(hanging.server.url()).wait().unwrap();
    assert_eq!(good.add(1, 2).wait().unwrap(), 3);
}

#[test]
fn a_hundred_thousand_calls_opened_and_cancelled_at_once_are_all_answered() {
    let _dog = watch(60);
    let hanging = hanging();
    let good: ProbeClient = farcall::connect(hanging.server.url()).wait().unwrap();
    let before = good.peak_memory().wait().unwrap();
    let mut attacker = Raw::connect(&hanging.path);
    attacker.say(&hanging.greeting);
    let mut reader = attacker.again();
    let (_hello, _opened) = (reader.next_frame(true), reader.next_frame(false));
    // No more at once than the window allows: the attacker keeps to every rule.
    for batch in 0..400_u64 {
        let mut bytes = Vec::new();
        for number in batch * 250 + 1..=(batch + 1) * 250 {
            bytes.extend(framed(&renumbered(&hanging.call, number << 16)));
            bytes.extend(framed(&bare(raw::CANCEL, number << 16)));
        }
        assert!(attacker.say(&bytes));
        assert_eq!(good.add(batch, 1).wait().unwrap(), batch + 1);
        assert!((0..250).all(|_| reader.next_frame(false)[0] == raw::CANCELLED));
    }
    let grown = good.peak_memory().wait().unwrap() - before;
    assert!(grown < 64 * 1024, "{grown} KiB more");
    hanging.wait_until_none_hangs();
}

#[test]
fn a_client_that_starts_and_drops_a_hundred_thousand_calls_harms_nobody() {
    let _dog = watch(60);
    let hanging = hanging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fickle: ProbeClient = farcall::connect(hanging.server.url()).await.unwrap();
        let good: ProbeClient = farcall::connect(hanging.server.url()).await.unwrap();
        for round in 0..1000 {
            let mut calls: Vec<_> = (0..100).map(|_| fickle.hang()).collect();
            for call in &mut calls {
                let polled = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(std::pin::Pin::new(&mut *call).poll(cx).is_pending())
                });
                assert!(polled.await);
            }
            drop(calls);
            assert_eq!(good.add(round, 1).await.unwrap(), round + 1);
        }
        assert_eq!(fickle.add(1, 1).await.unwrap(), 2, "its own connection lives on");
    });
    hanging.wait_until_none_hangs();
}

#[test]
fn a_client_that_never_reads_its_replies_costs_a_bounded_amount_of_memory() {
    let _dog = watch(60);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let peer = Peer::serving(&format!("unix:{}", path.display()));
    let good: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
    let recording = record(&path, |url| {
        let probe: ProbeClient = farcall::connect(url).wait().unwrap();
        assert_eq!(probe.blob(1 << 20).wait().unwrap().len(), 1 << 20);
    });
    let before = good.peak_memory().wait().unwrap();
    let [hello, open, call, ..] = &frames(&recording)[..] else { panic!("a hello, an opening, a call") };
    let mut calls = [&recording[..PREFACE], &framed(hello), &framed(open)].concat();
    (1..=250_u64).for_each(|number| calls.extend(framed(&renumbered(call, number << 16))));
    let mut deaf = Raw::connect(&path);
    assert!(deaf.say_what_is_taken(&calls) > 0);
    for n in 0..500 {
        assert_eq!(good.add(n, 1).wait().unwrap(), n + 1);
    }
    let grown = good.peak_memory().wait().unwrap() - before;
    assert!(grown < 32 * 1024, "{grown} KiB more for 250 replies of 1 MiB that nobody reads");
    let (_hello, _opened) = (deaf.next_frame(true), deaf.next_frame(false));
    let mut bytes = 0; // it is served if it reads after all
    while bytes < 250 << 20 {
        let frame = deaf.next_frame(false);
        assert_eq!(frame[0], raw::REPLY);
        bytes += frame.len() - 16;
    }
}

#[test]
fn a_flood_of_connections_that_uses_up_the_descriptors_passes_and_the_server_recovers() {
    let _dog = watch(60);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let peer = cast("serve", &format!("unix:{}", path.display())).files(48).start();
    let good: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
    assert_eq!(good.add(1, 2).wait().unwrap(), 3);
    for more in 0..3 {
        let flood: Vec<Raw> = (0..100 + more).map(|_| Raw::connect(&path)).collect();
        for n in 0..200 {
            assert_eq!(good.add(n, 1).wait().unwrap(), n + 1);
        }
        drop(flood);
        let began = Instant::now();
        let late: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
        assert_eq!(late.add(1, 2).wait().unwrap(), 3);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
}
