//! The simulated pair: two ends of one connection over a scripted link, with a clock that jumps.
//!
//! A seed decides everything: what is called, cancelled, answered and refused, how bytes move, when the link is cut.
//! The oracle then compares what each caller was told with what the peer did and with the bytes that left.

mod bare;
mod driven;
mod end;
mod oracle;
mod script;
mod setup;
mod two_steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use script::FixedScript;
pub use setup::{Counts, Setup};

use bare::Bare;
use driven::Driven;
use world::World;

/// What stands at both ends of a simulated connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// The state machine alone.
    Machine,
    /// Session and driver.
    Driver,
}

/// Runs the story that a seed tells.
///
/// # Panics
/// If a rule was broken; the message names the seed.
pub fn run_seed(ends: Ends, seed: u64) -> Counts {
    let run = || match ends {
        Ends::Machine => World::<Bare>::of_seed(seed).live(),
        Ends::Driver => World::<Driven>::of_seed(seed).live(),
    };
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| panic!("seed {seed} of {ends:?} broke a rule, see above"))
}

/// Runs a fixed script on a link that `setup` may prepare.
///
/// # Panics
/// If a rule was broken.
pub fn run_script(ends: Ends, script: &FixedScript, setup: Setup) -> Counts {
    match ends {
        Ends::Machine => World::<Bare>::of_setup(setup).play(script),
        Ends::Driver => World::<Driven>::of_setup(setup).play(script),
    }
}
