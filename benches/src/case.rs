//! A case: one cell of the benchmark, and the label that names it on the command line, in filters and in reports.

use std::fmt;
use std::str::FromStr;

/// An enum whose variants are words of a label.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word for this in a label and in JSON.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("`{other}` is none of: {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// Whose calls are measured.
    Subject {
        /// The bare system calls: the limit.
        Raw = "raw",
        /// A word in shared memory that both processes sleep on.
        Futex = "futex",
        /// A pair of eventfds.
        Eventfd = "eventfd",
        /// A word in shared memory; who waits for it gives the processor away.
        SchedYield = "sched_yield",
        /// Two byte rings in shared memory: each message is copied in and out on its way there and back.
        Ring = "ring",
        /// This project.
        Farcall = "farcall",
    }
}

words! {
    /// What carries the bytes.
    Wire {
        /// One cache line in shared memory: the probe of the machine.
        CacheLine = "cacheline",
        /// Shared memory.
        Shm = "shm",
        /// A pair of pipes.
        Pipe = "pipe",
        /// A child's stdin and stdout.
        Exec = "exec",
        /// A Unix stream socket.
        Unix = "unix",
        /// TCP over loopback, without delay.
        Tcp = "tcp",
        /// Shared memory of POSIX.
        Posix = "posix",
        /// Shared memory of System V.
        SystemV = "sysv",
        /// A mapped file.
        Mmap = "mmap",
        /// A pair of message queues.
        Mq = "mq",
        /// A pair of named pipes.
        Fifo = "fifo",
        /// A message queue with any number of takers, and datagrams back.
        Mailbox = "mailbox",
    }
}

words! {
    /// How both processes are written.
    Style {
        /// Blocking, without a runtime.
        Wait = "wait",
        /// A current-thread tokio runtime in each process.
        Await = "await",
    }
}

words! {
    /// What a process does until the other one answers.
    Waiting {
        /// Sleeps until descriptor or process is ready, then reads without blocking.
        Park = "park",
        /// Sleeps in a blocking read.
        Read = "read",
        /// Reads without blocking, again and again.
        Spin = "spin",
        /// Gives the processor away between two looks.
        Yield = "yield",
        /// The polite wait: spins a little, yields, then sleeps.
        Auto = "auto",
    }
}

words! {
    /// Where the two processes run.
    Placement {
        /// The client on one core, the server on another.
        Two = "two",
        /// Both on one core.
        One = "one",
        /// Where the scheduler puts them.
        Free = "free",
    }
}

words! {
    /// What one call does.
    Op {
        /// The smallest call: 32 bytes each way, or the sum of two numbers.
        Null = "null",
        /// The bytes go there and come back.
        Echo = "echo",
        /// Null calls of one task beside another that is always busy.
        Polite = "polite",
        /// A connection that has made calls and then rests.
        Idle = "idle",
        /// Null calls on one connection of many.
        Many = "many",
        /// Null calls through a pool, beside the same without.
        Pool = "pool",
    }
}

/// One cell of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Case {
    pub(crate) subject: Subject,
    pub(crate) wire: Wire,
    pub(crate) style: Style,
    pub(crate) waiting: Waiting,
    pub(crate) placement: Placement,
    pub(crate) op: Op,
    /// Bytes in each direction.
    pub(crate) bytes: usize,
    /// Calls started before the first is collected.
    pub(crate) outstanding: usize,
}

impl Op {
    /// Whether the case asks another question than how fast one connection is; then no limit stands beside it.
    pub(crate) const fn is_special(self) -> bool {
        matches!(self, Self::Polite | Self::Idle | Self::Many | Self::Pool)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/{}/{}/{}/{}",
            self.subject.word(),
            self.wire.word(),
            self.style.word(),
            self.waiting.word(),
            self.placement.word(),
            self.op.word(),
            self.bytes,
            self.outstanding
        )
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(label: &str) -> Result<Self, String> {
        let words: Vec<&str> = label.split('/').collect();
        let [subject, wire, style, waiting, placement, op, bytes, outstanding] = words[..] else {
            return Err(format!("a label has 8 parts, `{label}` has {}", words.len()));
        };
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` in `{label}` is not a number"));
        Ok(Self {
            subject: subject.parse()?,
            wire: wire.parse()?,
            style: style.parse()?,
            waiting: waiting.parse()?,
            placement: placement.parse()?,
            op: op.parse()?,
            bytes: number(bytes)?,
            outstanding: number(outstanding)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_names_its_case() {
        let label = "farcall/unix/wait/park/one/null/32/16";
        let case: Case = label.parse().unwrap();
        assert_eq!((case.wire, case.outstanding), (Wire::Unix, 16));
        assert_eq!(case.to_string(), label);
    }

    #[test]
    fn wrong_word_is_refused_with_the_right_ones() {
        let error = "raw/unix/wait/nap/one/null/32/1".parse::<Case>().unwrap_err();
        assert_eq!(error, "`nap` is none of: park, read, spin, yield, auto");
    }

    #[test]
    fn short_label_is_refused() {
        assert_eq!("raw/unix".parse::<Case>().unwrap_err(), "a label has 8 parts, `raw/unix` has 2");
    }
}
