//! The other process: how this program starts itself as client or server, and how neither outlives its parent.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, set_parent_process_death_signal,
};

use crate::case::Case;
use crate::cores;

/// The two children of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Makes the calls, measures them, prints the sample.
    Client,
    /// Answers; a child of the client.
    Server,
}

/// What a child is told on its command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct Part {
    #[arg(long, hide = true, requires = "case", requires = "parent")]
    pub(crate) role: Option<Role>,
    #[arg(long, hide = true)]
    pub(crate) case: Option<Case>,
    #[arg(long, hide = true)]
    pub(crate) parent: Option<i32>,
    #[arg(long, hide = true)]
    pub(crate) core: Option<usize>,
    #[arg(long, hide = true)]
    pub(crate) slice_us: Option<u64>,
    #[arg(long, hide = true)]
    pub(crate) url: Option<String>,
    /// Where sockets that need a path may stand; the run removes it at its end.
    #[arg(long, hide = true)]
    pub(crate) directory: Option<PathBuf>,
}

impl Part {
    /// A part of the case to be played by a child of this process.
    pub(crate) fn of(role: Role, case: Case) -> Self {
        let parent = Some(getpid().as_raw_nonzero().get());
        let (role, case) = (Some(role), Some(case));
        Self { role, case, parent, core: None, slice_us: None, url: None, directory: None }
    }

    /// The command line that says this.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let role = self.role.map(|role| format!("{role:?}").to_lowercase());
        [
            ("role", role),
            ("case", self.case.map(|case| case.to_string())),
            ("parent", self.parent.map(|pid| pid.to_string())),
            ("core", self.core.map(|core| core.to_string())),
            ("slice-us", self.slice_us.map(|slice| slice.to_string())),
            ("url", self.url.clone()),
            ("directory", self.directory.as_ref().map(|path| path.display().to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("--{name}={value}")))
        .collect()
    }

    /// Makes this process the child that the part describes: it dies with its parent and runs on its core.
    pub(crate) fn enter(&self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the signal was asked for.
        if getppid().map(|pid| pid.as_raw_nonzero().get()) != self.parent {
            return Err(io::Error::other("the parent has gone"));
        }
        self.core.map_or(Ok(()), cores::confine_to)
    }
}

/// A child of this process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    pid: Pid,
    life: OwnedFd,
}

impl Peer {
    /// Starts this program again to play that part.
    pub(crate) fn start(part: &Part, stdin: Stdio, stdout: Stdio) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(part.arguments());
        Self::start_command(command, stdin, stdout)
    }

    /// The same for a child that inherits this end of a pair of pipes and is told its URL.
    pub(crate) fn start_with_pipes(part: &Part, end: ::farcall::PipeEnd) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let url = end.inherit(&mut command);
        command.args(Part { url: Some(url), ..part.clone() }.arguments());
        Self::start_command(command, Stdio::null(), Stdio::null())
    }

    fn start_command(mut command: Command, stdin: Stdio, stdout: Stdio) -> io::Result<Self> {
        let mut child = command.stdin(stdin).stdout(stdout).spawn()?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(life) => Ok(Self { child, pid, life }),
            Err(error) => {
                end(&mut child);
                Err(error.into())
            }
        }
    }

    /// The process that the client measures beside itself.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Readable once the process has ended.
    pub(crate) fn life(&self) -> BorrowedFd<'_> {
        self.life.as_fd()
    }

    /// What the child wrote to its stdout until it ended by itself, within the limit and successfully.
    ///
    /// The text must fit into a pipe: nobody reads while the child runs.
    pub(crate) fn finish(mut self, limit: Duration) -> io::Result<String> {
        let mut fds = [PollFd::new(&self.life, PollFlags::IN)];
        let limit_spec = Timespec::try_from(limit).map_err(io::Error::other)?;
        if poll(&mut fds, Some(&limit_spec))? == 0 {
            return Err(io::Error::other(format!("did not end within {limit:?}, was killed")));
        }
        let status = self.child.wait()?;
        let mut text = String::new();
        if let Some(stdout) = &mut self.child.stdout {
            stdout.read_to_string(&mut text)?;
        }
        if status.success() { Ok(text) } else { Err(io::Error::other(format!("ended with {status}"))) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills and reaps. A child that has been reaped already is left alone by std.
fn end(child: &mut Child) {
    if child.kill().is_ok() {
        // Reaping a killed child fails only if somebody else reaped it: then there is nothing left to do.
        let _reaped = child.wait();
    }
}

/// The parent's life: readable once it has ended.
pub(crate) fn parent_life() -> io::Result<OwnedFd> {
    let parent = getppid().ok_or_else(|| io::Error::other("the parent has gone"))?;
    Ok(pidfd_open(parent, PidfdFlags::empty())?)
}
