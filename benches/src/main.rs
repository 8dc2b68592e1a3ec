//! The benchmark program: its command line, and the three roles in which it runs.

mod case;
mod clock;
mod cores;
#[cfg(feature = "calls")]
mod farcall;
mod measure;
mod peer;
mod plan;
mod raw;
mod report;
mod run;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::case::{Case, Subject};
use crate::measure::Sample;
use crate::peer::{Part, Role};
use crate::plan::Effort;
use crate::report::Report;
use crate::run::Outcome;

/// Raw limits of each wire and Farcall beside them, in one run.
///
/// Only ratios within one run are facts. A label reads subject/wire/style/waiting/placement/op/bytes/outstanding, for
/// example farcall/unix/wait/park/one/null/32/1. The limits that the chosen cases are compared with are measured too.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Measure only cases whose label contains all of these; a filter that ends in `$` must stand at the end.
    filters: Vec<String>,
    /// Write one line of JSON per case into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Three short rounds instead of five: under three minutes for everything.
    #[arg(long)]
    quick: bool,
    /// Print the labels and measure nothing.
    #[arg(long)]
    list: bool,
    /// How often each case is measured.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: Option<u16>,
    /// Milliseconds of one measurement.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    slice: Option<u64>,
    /// Makes the order of a run repeatable.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    part: Part,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match (arguments.part.role, arguments.part.case) {
        (Some(role), Some(case)) => play(&arguments.part, role, case).map(|()| ExitCode::SUCCESS),
        _ => benchmark(&arguments),
    };
    done.unwrap_or_else(|error| {
        let case = arguments.part.case.map(|case| format!(" {case}")).unwrap_or_default();
        eprintln!("farcall-bench:{case}: {error}");
        ExitCode::FAILURE
    })
}

/// The client or the server of one measurement.
fn play(part: &Part, role: Role, case: Case) -> io::Result<()> {
    let allowed = cores::allowed()?;
    part.enter()?;
    match role {
        Role::Client => {
            let placed = cores::placed(case.placement, &allowed)?;
            if let Some((client, _)) = placed {
                cores::confine_to(client)?;
            }
            let slice = Duration::from_micros(part.slice_us.unwrap_or_default());
            let sample = call(case, placed.map(|(_, server)| server), slice)?;
            println!("{}", serde_json::to_string(&sample)?);
            Ok(())
        }
        Role::Server => match serve(part, case) {
            Err(error) if is_farewell(&error) => Ok(()),
            ended => ended,
        },
    }
}

fn call(case: Case, server_core: Option<usize>, slice: Duration) -> io::Result<Sample> {
    match case.subject {
        Subject::Raw => raw::call(case, server_core, slice),
        #[cfg(feature = "calls")]
        Subject::Farcall => farcall::call(case, server_core, slice),
        #[cfg(not(feature = "calls"))]
        Subject::Farcall => Err(io::Error::other("this build has no Farcall subjects")),
    }
}

fn serve(part: &Part, case: Case) -> io::Result<()> {
    match case.subject {
        Subject::Raw => raw::serve(case),
        #[cfg(feature = "calls")]
        Subject::Farcall => farcall::serve(part, case),
        #[cfg(not(feature = "calls"))]
        Subject::Farcall => Err(io::Error::other(format!("this build cannot serve {:?}", part.url))),
    }
}

/// The client ends a measurement by going.
fn is_farewell(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn benchmark(arguments: &Arguments) -> io::Result<ExitCode> {
    let cores = cores::allowed()?.len();
    let cases = plan::select(&plan::all(cores), &arguments.filters);
    if cases.is_empty() {
        return Err(io::Error::other("no label contains all of these filters; `--list` prints the labels"));
    }
    let mut out = BufWriter::new(io::stdout());
    if arguments.list {
        for case in cases {
            writeln!(out, "{case}")?;
        }
        return out.flush().map(|()| ExitCode::SUCCESS);
    }
    let json = arguments.json.as_ref().map(File::create).transpose()?;
    let outcomes = measured(&cases, effort(arguments, cases.len()), seed(arguments));
    let report = Report::new(&outcomes);
    if cores < 2 {
        writeln!(out, "placement `two` needs two cores, this process may use {cores}")?;
    }
    report.write_table(&mut out)?;
    out.flush()?;
    if let Some(file) = json {
        report.write_json(&mut BufWriter::new(file))?;
    }
    Ok(failures(&outcomes))
}

fn effort(arguments: &Arguments, cases: usize) -> Effort {
    let usual = if arguments.quick { Effort::quick(cases) } else { Effort::full() };
    Effort {
        rounds: arguments.rounds.map_or(usual.rounds, usize::from),
        slice: arguments.slice.map_or(usual.slice, Duration::from_millis),
    }
}

fn seed(arguments: &Arguments) -> u64 {
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    arguments.seed.unwrap_or_else(|| u64::from(by_clock()))
}

fn measured(cases: &[Case], effort: Effort, seed: u64) -> Vec<Outcome> {
    eprintln!(
        "{} cases, {} rounds, slices of {:?}, about {:.0?}; seed {seed}",
        cases.len(),
        effort.rounds,
        effort.slice,
        effort.estimate(cases.len())
    );
    let live = io::stderr().is_terminal();
    let outcomes = run::run(cases, effort, seed, |round, done| {
        if live {
            eprint!("\rround {} of {}: {done} of {}  ", round + 1, effort.rounds, cases.len());
        }
    });
    if live {
        eprintln!();
    }
    outcomes
}

fn failures(outcomes: &[Outcome]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for outcome in outcomes {
        if let Some(failure) = &outcome.failure {
            eprintln!("failed: {}: {failure}", outcome.case);
            code = ExitCode::FAILURE;
        }
    }
    code
}
