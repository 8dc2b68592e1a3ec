//! The service of the peers: handlers that hang, journal what they do, call back, and tell about their process.

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::process::{ForeignRawFd, Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tokio::sync::watch;

#[farcall::service]
pub trait Probe {
    async fn add(&self, a: u64, b: u64) -> u64;
    /// Gives the number back, after being pending so many times.
    async fn later(&self, n: u64, turns: u32) -> u64;
    /// Never returns.
    async fn hang(&self);
    /// Returns when at least so many handlers hang.
    async fn hanging(&self, at_least: usize) -> usize;
    async fn blob(&self, bytes: usize) -> Vec<u8>;
    /// Journals its beginning and its end under a number of its own.
    async fn work(&self, slot: u64, turns: u32, ballast: Vec<u8>) -> u64;
    fn pid(&self) -> u32;
    /// Starts a child that holds all sockets of this process; the child's number.
    fn bequeath_sockets(&self) -> Vec<u32>;
    /// The most memory that this process has used, in KiB.
    fn peak_memory(&self) -> u64;
}

/// How many handlers hang.
pub type Gauge = Arc<watch::Sender<usize>>;

/// What the peers serve.
#[derive(Default)]
pub struct Subject {
    pub hanging: Gauge,
    pub journal: Option<File>,
}

/// One handler that hangs.
struct Hanging(Gauge);

impl Hanging {
    fn on(gauge: &Gauge) -> Self {
        gauge.send_modify(|count| *count += 1);
        Hanging(Arc::clone(gauge))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Pending so many times, each time waking itself.
pub struct Turns(pub u32);

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Subject {
    /// Counts up one byte of the journal; a page that the kernel keeps whatever becomes of this process.
    fn note(&self, at: u64) {
        let Some(journal) = &self.journal else { return };
        let mut count = [0];
        let _ = journal.read_at(&mut count, at);
        count[0] += 1;
        journal.write_at(&count, at).expect("the journal takes a byte");
    }
}

impl Probe for Subject {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    async fn later(&self, n: u64, turns: u32) -> u64 {
        Turns(turns).await;
        n
    }

    async fn hang(&self) {
        let _hanging = Hanging::on(&self.hanging);
        std::future::pending().await
    }

    async fn hanging(&self, at_least: usize) -> usize {
        let mut gauge = self.hanging.subscribe();
        gauge.wait_for(|count| *count >= at_least).await.map_or(0, |count| *count)
    }

    async fn blob(&self, bytes: usize) -> Vec<u8> {
        vec![7; bytes]
    }

    async fn work(&self, slot: u64, turns: u32, ballast: Vec<u8>) -> u64 {
        self.note(slot * 2);
        Turns(turns).await;
        self.note(slot * 2 + 1);
        slot + ballast.len() as u64
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn bequeath_sockets(&self) -> Vec<u32> {
        sockets_of(std::process::id()).into_iter().map(keep_open).collect()
    }

    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// Other owners of all sockets of a process that is this one or its child.
pub fn sockets_of(pid: u32) -> Vec<std::os::fd::OwnedFd> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process number");
    let process = pidfd_open(number, PidfdFlags::empty()).expect("a pidfd");
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("/proc is mounted").flatten() {
        let number: ForeignRawFd = entry.file_name().to_string_lossy().parse().expect("a number");
        if std::fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")) {
            sockets.push(pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).expect("its descriptor"));
        }
    }
    sockets
}

/// Starts a child that keeps this open for a while.
fn keep_open(socket: std::os::fd::OwnedFd) -> u32 {
    let mut sleep = std::process::Command::new("sleep");
    sleep.arg("30").stdin(socket).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    sleep.spawn().expect("a child can be started").id()
}
