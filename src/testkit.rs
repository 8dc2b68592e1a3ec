//! The conformance suite: what every wire must carry, and the line that runs it over one.
//!
//! [`conformance!`](crate::conformance) makes a module of tests of one line: every case for each of {blocking, async} client
//! × {blocking, async} server. A wire from outside runs it as ours do:
//!
//! ```
//! # fn main() {}
//! use farcall::testkit::Meeting;
//!
//! farcall::conformance!(mem, |_| Ok(Meeting::at("mem:conformance")));
//! ```
//!
//! The tests run at the same time, so each asks for a meeting point of its own. Nothing here waits without a bound: a case
//! that hangs ends the process with its name.

pub mod calculator;
pub mod cases;
mod gates;
mod meeting;
mod pair;
mod subject;

pub use farcall_core::testkit::Watchdog;

pub use gates::{Gates, Slot, block_on};
pub use meeting::{Meeting, Style};
pub use pair::{Outcome, Pair, host, run};
pub use subject::{
    Cause, ListenerClient, ListenerServer, OtherClient, OtherServer, Point, Seen, Subject, TestedClient,
    TestedServer, Uneven,
};

/// Runs the conformance suite over one wire: `conformance!(name, meeting)`, where `meeting` is a
/// `Fn(Style) -> Result<Meeting, farcall::Error>`; the [`Style`](crate::testkit::Style) is the server's.
///
/// `conformance!(indirect name, meeting)` leaves out what a wire cannot have on which calls are put for whoever takes them:
/// cancels, calls back, and the end of a peer.
///
/// It makes a module `name` with a test for each case and each pair of styles.
#[macro_export]
macro_rules! conformance {
    (indirect $wire:ident, $meeting:expr) => {
        mod $wire {
            #[allow(unused_imports)]
            use super::*;
            $crate::conformance!(@indirect blocking_client_blocking_server Blocking Blocking, $meeting);
            $crate::conformance!(@indirect blocking_client_async_server Blocking Async, $meeting);
            $crate::conformance!(@indirect async_client_blocking_server Async Blocking, $meeting);
            $crate::conformance!(@indirect async_client_async_server Async Async, $meeting);
        }
    };
    (@indirect $pair:ident $client:ident $server:ident, $meeting:expr) => {
        mod $pair {
            #[allow(unused_imports)]
            use super::*;
            $crate::__conformance_cases_indirect!($client $server, $meeting);
        }
    };
    ($wire:ident, $meeting:expr) => {
        mod $wire {
            #[allow(unused_imports)]
            use super::*;
            $crate::conformance!(@pair blocking_client_blocking_server Blocking Blocking, $meeting);
            $crate::conformance!(@pair blocking_client_async_server Blocking Async, $meeting);
            $crate::conformance!(@pair async_client_blocking_server Async Blocking, $meeting);
            $crate::conformance!(@pair async_client_async_server Async Async, $meeting);
        }
    };
    (@pair $pair:ident $client:ident $server:ident, $meeting:expr) => {
        mod $pair {
            #[allow(unused_imports)]
            use super::*;
            $crate::__conformance_cases!($client $server, $meeting);
        }
    };
    (@tests $client:ident $server:ident, $meeting:expr, $($area:ident: $($case:ident)*;)*) => {
        $($(
            #[test]
            fn $case() {
                let name = concat!(module_path!(), "::", stringify!($case));
                let styles = ($crate::testkit::Style::$client, $crate::testkit::Style::$server);
                $crate::testkit::run(name, styles, $meeting, $crate::testkit::cases::$area::$case);
            }
        )*)*
    };
}
