//! `exec:PROGRAM?arg=…`: a child that serves `stdio:`, over pipes to its standard input and output.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use farcall_core::transport::{ByteStream, Framed, Link, Listener, Peer, Readiness};
use farcall_core::{Code, Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::duct::{Duct, DuctStream};
use crate::query::Query;
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::stdio::PARENT;
use crate::sys::orphan;
use crate::url::Url;

mod nursery;
mod reaper;

/// At its end a child closes its pipes and becomes a zombie within microseconds, if nobody takes the processor from it in
/// between. This is how long the last read of a link waits for the second, so that it can tell how the child ended.
const EXIT_AFTER_EOF: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

pub(crate) struct Exec;

impl Scheme for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        url.without_host()?;
        if url.path().as_os_str().is_empty() {
            return Err(url.refuse("a program is missing; write for example exec:./server?arg=--quiet"));
        }
        let arguments = query.take_all("arg");
        let kill_on_drop = query.take_choice("kill_on_drop", &[("true", true), ("false", false)])?;
        let signals =
            [("term", Signal::TERM), ("kill", Signal::KILL), ("int", Signal::INT), ("hup", Signal::HUP)];
        let at_our_end = query.take_choice("pdeathsig", &signals)?;
        query.finish()?;
        let wishes = Wishes { arguments, kill_on_drop: kill_on_drop.unwrap_or(false), at_our_end };
        Ok(Box::new(Framed::connecting(start(url, wishes)?)))
    }

    fn listen(&self, url: &Url, _: &mut Query) -> Result<Box<dyn Listener>, Error> {
        Err(url.refuse(
            "this wire starts the server, so it is for connecting; the program it starts serves stdio:",
        ))
    }

    /// A program is read from disk.
    fn may_block(&self, _: &Url) -> bool {
        true
    }
}

/// What the URL says of the child.
struct Wishes {
    arguments: Vec<String>,
    /// Not even a moment to end by itself.
    kill_on_drop: bool,
    /// What the kernel sends it when this process ends.
    at_our_end: Option<Signal>,
}

fn start(url: &Url, wishes: Wishes) -> Result<ChildStream, Error> {
    let os = |error: io::Error| refused(url, "starting the program", error, &NOT_STARTED);
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| os(errno.into()));
    let (stdin, sink) = pipe()?;
    let (source, stdout) = pipe()?;
    let (source, sink) = (Duct::private(source).map_err(os)?, Duct::private(sink).map_err(os)?);
    let program = url.path();
    let mut command = Command::new(program);
    command.args(wishes.arguments).env(PARENT, std::process::id().to_string());
    command.stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
    let child = match wishes.at_our_end {
        None => command.spawn(),
        Some(signal) => {
            orphan::signalled(&mut command, signal);
            nursery::spawn(command)
        }
    };
    let child = child.map_err(os)?;
    let mut peer = Peer::on("exec");
    peer.address = Some(program.display().to_string());
    peer.uid = Some(rustix::process::geteuid().as_raw());
    peer.gid = Some(rustix::process::getegid().as_raw());
    peer.pid = Some(child.id());
    // Without a pidfd, end of file is all there is.
    let life = i32::try_from(child.id()).ok().and_then(Pid::from_raw).and_then(|pid| {
        // The child has not been waited for, so that its number is still its own.
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Arc::new)
    });
    let pipes = DuctStream { source, sink, peer, life };
    Ok(ChildStream {
        pipes: Some(pipes),
        child: Some(child),
        starter: std::process::id(),
        kill_on_drop: wishes.kill_on_drop,
    })
}

#[rustfmt::skip]
const NOT_STARTED: [(Errno, Code, &str); 4] = [
    (Errno::NOENT, Code::Unavailable, "there is no such program; correct its path (a name without a slash is looked up in PATH)"),
    (Errno::ACCESS, Code::PermissionDenied, "the program may not be executed; check its permissions (chmod +x)"),
    (Errno::NOEXEC, Code::Unavailable, "the file is not a program of this machine"),
    (Errno::AGAIN, Code::ResourceExhausted, "no more processes may be started; end some or raise the limit (ulimit -u)"),
];

/// The pipes to a child, and the child. Whoever drops it ends the child.
struct ChildStream {
    /// Present until dropped.
    pipes: Option<DuctStream>,
    /// Present until dropped.
    child: Option<Child>,
    /// The process that started the child: nobody else may wait for it.
    starter: u32,
    kill_on_drop: bool,
}

impl ChildStream {
    fn pipes(&self) -> &DuctStream {
        self.pipes.as_ref().expect("only drop takes the pipes")
    }

    fn pipes_mut(&mut self) -> &mut DuctStream {
        self.pipes.as_mut().expect("only drop takes the pipes")
    }

    /// How the child ended, once its pipes are closed.
    fn exit_status(&mut self) -> Option<ExitStatus> {
        if let Some(life) = &self.pipes().life {
            let _ = poll(&mut [PollFd::new(&life.as_fd(), PollFlags::IN)], Some(&EXIT_AFTER_EOF));
        }
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    fn explain(&mut self, kind: ErrorKind) -> Option<io::Error> {
        self.failure().map(|how| io::Error::new(kind, how))
    }

    /// How the child ended, if that was not in order.
    fn failure(&mut self) -> Option<String> {
        let status = self.exit_status().filter(|status| !status.success())?;
        let program = self.pipes().peer.address.clone().unwrap_or_default();
        Some(format!("the program {program} ended: {status}"))
    }
}

impl ByteStream for ChildStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.pipes_mut().read(buf) {
            Ok(0) if !buf.is_empty() => self.explain(ErrorKind::ConnectionReset).map_or(Ok(0), Err),
            answer => answer,
        }
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.pipes_mut().write(bufs) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                Err(self.explain(ErrorKind::BrokenPipe).unwrap_or(error))
            }
            answer => answer,
        }
    }

    fn readiness(&self) -> Readiness {
        self.pipes().readiness()
    }

    fn life(&self) -> Option<Arc<OwnedFd>> {
        self.pipes().life()
    }

    fn exit(&mut self) -> Option<String> {
        self.failure()
    }

    fn peer(&self) -> Peer {
        self.pipes().peer()
    }
}

impl Drop for ChildStream {
    fn drop(&mut self) {
        let is_ours = self.starter == std::process::id();
        if let Some(child) = self.child.as_mut().filter(|_| is_ours && self.kill_on_drop) {
            // Before the end of its input tells it to end by itself.
            let _ = child.kill();
        }
        let pidfd = self.pipes.take().and_then(|pipes| pipes.life);
        let Some(child) = self.child.take() else {
            return;
        };
        if is_ours {
            reaper::see_off(child, pidfd);
        }
    }
}
