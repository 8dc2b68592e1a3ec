//! What a mailbox promises: kept while nobody serves, taken by one, the highest priority first, bounded.

#[path = "../peers/mod.rs"]
#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

mod kills;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use farcall::testkit::{TestedClient, TestedServer, Watchdog, block_on};
use farcall::{Code, Fate, ServerHandle};
use tokio::sync::watch;

/// Time that a test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A mailbox of one test; it goes with it.
struct Mailbox(String);

impl Mailbox {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Mailbox(format!("mailbox:/farcall-test-{}-{number}", std::process::id()))
    }

    fn with(&self, options: &str) -> String {
        format!("{}?{options}", self.0)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = farcall::remove_mailbox(&self.0);
    }
}

#[test]
fn plays_a_peer_when_asked() {
    peers::process::play_if_asked();
}

#[farcall::service]
trait List {
    fn append(&self, number: u64);
    /// Waits at the gate, then gives the name of the server.
    async fn name(&self) -> u64;
}

#[derive(Clone, Default)]
struct Lists {
    name: u64,
    list: Arc<Mutex<Vec<u64>>>,
    gate: Arc<Gate>,
}

/// Where calls wait.
#[derive(Default)]
struct Gate {
    come: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl List for Lists {
    fn append(&self, number: u64) {
        self.list.lock().unwrap().push(number);
    }
    async fn name(&self) -> u64 {
        self.gate.come.send_modify(|count| *count += 1);
        let _ = self.gate.open.subscribe().wait_for(|is_open| *is_open).await;
        self.name
    }
}

fn serve(mailbox: &str, lists: &Lists) -> ServerHandle {
    farcall::serve(mailbox, ListServer::new(lists.clone())).wait().unwrap()
}

#[test]
fn calls_made_while_no_server_runs_are_kept_and_the_highest_priority_is_served_first() {
    let _dog = Watchdog::over("kept and ordered", LIMIT);
    let mailbox = Mailbox::new();
    let client: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    let calls: Vec<_> = [(1, 0), (2, 0), (3, 7), (4, 31), (5, 7), (6, 255)]
        .map(|(number, priority)| client.append(number).priority(priority).submit())
        .into();
    let lists = Lists::default();
    let server = serve(&mailbox.0, &lists);
    for call in calls {
        call.wait().unwrap();
    }
    assert_eq!(*lists.list.lock().unwrap(), [4, 6, 3, 5, 1, 2]);
    drop(server);
}

#[test]
fn detached_calls_outlive_their_caller() {
    let _dog = Watchdog::over("detached", LIMIT);
    let mailbox = Mailbox::new();
    let client: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    (0..5).for_each(|number| client.append(number).detach().unwrap());
    // They are in the mailbox: nothing is waited for, though nobody serves.
    farcall::Client::close(&client).wait().unwrap();
    let lists = Lists::default();
    let _server = serve(&mailbox.0, &lists);
    let client: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    client.append(9).wait().unwrap();
    assert_eq!(*lists.list.lock().unwrap(), [0, 1, 2, 3, 4, 9]);
}

#[test]
fn servers_share_the_work_and_each_takes_only_what_it_serves() {
    let _dog = Watchdog::over("shared", LIMIT);
    let mailbox = Mailbox::new();
    let gate = Arc::new(Gate::default());
    let servers: Vec<_> = (0..3)
        .map(|name| serve(&mailbox.0, &Lists { name, gate: Arc::clone(&gate), ..Lists::default() }))
        .collect();
    let client: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    let calls: Vec<_> = (0..6).map(|_| client.name().submit()).collect();
    // Three stand at the gate, one at each server; the others are still in the mailbox.
    let mut come = gate.come.subscribe();
    block_on(async { come.wait_for(|count| *count >= 3).await.map(drop) }).unwrap();
    assert_eq!(*gate.come.borrow(), 3);
    gate.open.send_replace(true);
    let mut names: Vec<_> = calls.into_iter().map(|call| call.wait().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, [0, 1, 2], "each has served");
    drop(servers);
}

#[test]
fn a_full_mailbox_makes_calls_wait_or_fail_and_says_that_they_were_not_sent() {
    let _dog = Watchdog::over("full", LIMIT);
    let mailbox = Mailbox::new();
    let client: ListClient = farcall::connect(mailbox.with("depth=2&msgsize=1KiB")).wait().unwrap();
    let kept: Vec<_> = (0..2).map(|number| client.append(number).submit()).collect();
    let hasty: ListClient = farcall::connect(mailbox.with("full=fail")).wait().unwrap();
    let error = hasty.append(7).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::Overloaded, Fate::NotSent), "{error}");
    let began = Instant::now();
    let error = client.append(8).deadline(Duration::from_millis(80)).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent), "{error}");
    assert!(began.elapsed() >= Duration::from_millis(50), "it waited for room");
    let waiting = client.append(2).submit();
    let lists = Lists::default();
    let _server = serve(&mailbox.0, &lists);
    kept.into_iter().for_each(|call| call.wait().unwrap());
    waiting.wait().unwrap();
    assert_eq!(*lists.list.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn a_detached_call_that_finds_no_room_is_told_so_or_waits_in_its_caller() {
    let _dog = Watchdog::over("detached and full", LIMIT);
    let mailbox = Mailbox::new();
    let patient: ListClient = farcall::connect(mailbox.with("depth=2&msgsize=1KiB")).wait().unwrap();
    let hasty: ListClient = farcall::connect(mailbox.with("full=fail")).wait().unwrap();
    hasty.append(0).detach().unwrap();
    patient.append(1).detach().unwrap();
    let error = hasty.append(7).detach().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::Overloaded, Fate::NotSent), "{error}");
    assert!(error.to_string().contains("the mailbox is full"), "{error}");
    let on_a_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = on_a_runtime.block_on(async {
        let hasty: ListClient = farcall::connect(mailbox.with("full=fail")).await.unwrap();
        hasty.append(7).detach().unwrap_err()
    });
    assert_eq!((error.code(), error.fate()), (Code::Overloaded, Fate::NotSent), "{error}");
    patient.append(2).detach().unwrap();
    let lists = Lists::default();
    let _server = serve(&mailbox.0, &lists);
    // Closing waits until the last one is put.
    farcall::Client::close(&patient).wait().unwrap();
    let client: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    client.append(3).wait().unwrap();
    assert_eq!(*lists.list.lock().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn detached_by_many_threads_each_call_is_put_or_its_thread_is_told() {
    let _dog = Watchdog::over("detached by many", LIMIT);
    let mailbox = Mailbox::new();
    let client: ListClient = farcall::connect(mailbox.with("depth=10&full=fail")).wait().unwrap();
    let refused = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let client = &client;
                let is_refused = move |number: &u64| client.append(*number).detach().is_err();
                scope.spawn(move || (thread * 10..thread * 10 + 10).filter(is_refused).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(refused.len(), 30);
    let lists = Lists::default();
    let _server = serve(&mailbox.0, &lists);
    let last: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    last.append(99).wait().unwrap();
    let mut list = lists.list.lock().unwrap().clone();
    list.extend(refused);
    list.sort_unstable();
    assert_eq!(list, (0..40).chain([99]).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_called_back_is_not_offered_and_a_handler_is_told() {
    let _dog = Watchdog::over("offered", LIMIT);
    let mailbox = Mailbox::new();
    let offered = || farcall::connect::<TestedClient>(&*mailbox.0).offer(ListServer::new(Lists::default()));
    let awaited = block_on(async { offered().await });
    for error in [offered().wait().unwrap_err(), awaited.unwrap_err()] {
        assert_eq!((error.code(), error.fate()), (Code::Unsupported, Fate::NotSent), "{error}");
        let says = format!(
            "{}: List is offered to be called back, and mailbox: carries calls one way only; use another wire for it, \
             such as unix:",
            mailbox.0
        );
        assert_eq!(error.to_string(), says);
    }
    let subject = farcall::testkit::Subject::default();
    let _server = farcall::serve(&*mailbox.0, TestedServer::new(subject)).wait().unwrap();
    let client: TestedClient = farcall::connect(&*mailbox.0).wait().unwrap();
    let error = client.ask_back(3).wait().unwrap_err().to_string();
    assert!(error.contains("Unsupported") && error.contains("one way only"), "{error}");
}

#[test]
fn a_call_that_nobody_takes_ends_by_its_deadline_and_is_not_served_later() {
    let _dog = Watchdog::over("expired", LIMIT);
    let mailbox = Mailbox::new();
    let client: ListClient = farcall::connect(&mailbox.0).wait().unwrap();
    let error = client.append(1).deadline(Duration::from_millis(30)).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::Unknown), "{error}");
    let lists = Lists::default();
    let _server = serve(&mailbox.0, &lists);
    client.append(2).wait().unwrap();
    assert_eq!(*lists.list.lock().unwrap(), [2]);
}

#[test]
fn a_mailbox_that_is_there_keeps_its_shape_and_another_wish_is_refused() {
    let mailbox = Mailbox::new();
    let _first: ListClient = farcall::connect(mailbox.with("depth=3&msgsize=2KiB")).wait().unwrap();
    let error = farcall::connect::<ListClient>(mailbox.with("depth=4")).wait().unwrap_err();
    assert_eq!(error.code(), Code::InvalidConfig);
    assert!(error.to_string().contains("3 messages of 2048 bytes"), "{error}");
    for wrong in ["mailbox:x", "mailbox:/a/b", "mailbox:/", "mailbox://host/x"] {
        assert_eq!(farcall::connect::<ListClient>(wrong).wait().unwrap_err().code(), Code::InvalidConfig);
    }
}

#[test]
fn a_caller_who_does_not_read_does_not_stop_the_others() {
    let _dog = Watchdog::over("a caller who does not read", LIMIT);
    let mailbox = Mailbox::new();
    let subject = farcall::testkit::Subject::default();
    let _server = farcall::serve(mailbox.with("take=8"), TestedServer::new(subject)).wait().unwrap();
    let deaf: TestedClient = farcall::connect(&mailbox.0).wait().unwrap();
    let unread: Vec<_> = (0..200).map(|_| deaf.echo(vec![1; 3000]).submit()).collect();
    let client: TestedClient = farcall::connect(&mailbox.0).wait().unwrap();
    for number in 0..200 {
        assert_eq!(client.negate(number).wait().unwrap(), -number);
    }
    for call in unread {
        assert_eq!(call.wait().unwrap().len(), 3000, "what it did not read was kept");
    }
}
