//! The benchmark program: its command line, and the three roles in which it runs.

mod bars;
mod case;
mod clock;
mod cores;
mod effort;
mod farcall;
mod further;
mod limits;
mod measure;
mod order;
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

use crate::case::{Case, Op, Subject};
use crate::effort::Effort;
use crate::measure::Sample;
use crate::peer::{Part, Role};
use crate::report::Report;
use crate::run::Outcome;

/// Raw limits of each wire and Farcall beside them, in one run.
///
/// Only ratios within one run are facts. A label reads subject/wire/style/waiting/placement/op/bytes/outstanding, for
/// example farcall/unix/wait/park/one/null/32/1. The limits that the chosen cases are compared with are measured too.
/// The operations polite, idle and many ask what a call leaves to a busy task beside it, what a connection costs that
/// rests, and what 63 such connections cost another one.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Measure only cases whose label contains all of these; a filter that ends in `$` must stand at the end.
    filters: Vec<String>,
    /// Write one line of JSON per case into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only the cases that have a bar.
    #[arg(long)]
    bars: bool,
    /// Three short rounds instead of five: on a quiet machine under three minutes for everything.
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
    /// Milliseconds that idle connections rest.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    rest: Option<u64>,
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
            let sample = call(part, case, placed.map(|(_, server)| server), slice)?;
            println!("{}", serde_json::to_string(&sample)?);
            Ok(())
        }
        Role::Server => match serve(part, case) {
            Err(error) if is_farewell(&error) => Ok(()),
            ended => ended,
        },
    }
}

fn call(part: &Part, case: Case, server_core: Option<usize>, slice: Duration) -> io::Result<Sample> {
    match case.subject {
        Subject::Farcall => farcall::call(part, case, server_core, slice),
        _ => raw::call(case, server_core, slice),
    }
}

fn serve(part: &Part, case: Case) -> io::Result<()> {
    match case.subject {
        Subject::Farcall => farcall::serve(part, case),
        _ => raw::serve(case),
    }
}

/// The client ends a measurement by going.
fn is_farewell(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn benchmark(arguments: &Arguments) -> io::Result<ExitCode> {
    let cores = cores::allowed()?.len();
    let cases = plan::select(&plan::all(cores, farcall::accepts), |case| {
        plan::matches(case, &arguments.filters) && (!arguments.bars || bars::bar(case).is_some())
    });
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
    let rounds = cases.iter().filter(|case| case.op != Op::Idle).count();
    let outcomes = measured(&cases, effort(arguments, rounds), seed(arguments))?;
    let report = Report::new(&outcomes);
    if cores < 2 {
        writeln!(out, "placement `two` needs two cores, this process may use {cores}")?;
    }
    report.write_tables(&mut out)?;
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
        rest: arguments.rest.map_or(usual.rest, Duration::from_millis),
    }
}

fn seed(arguments: &Arguments) -> u64 {
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    arguments.seed.unwrap_or_else(|| u64::from(by_clock()))
}

fn measured(cases: &[Case], effort: Effort, seed: u64) -> io::Result<Vec<Outcome>> {
    let resting = cases.iter().filter(|case| case.op == Op::Idle).count();
    let busy = cases.len() - resting;
    let rest = if resting == 0 { Duration::ZERO } else { effort.rest };
    eprintln!(
        "{} cases, {} rounds, slices of {:?}, about {:.0?}; seed {seed}",
        cases.len(),
        effort.rounds,
        effort.slice,
        effort.estimate(busy) + rest
    );
    let live = io::stderr().is_terminal();
    let directory = tempfile::Builder::new().prefix("farcall-bench-").tempdir()?;
    let outcomes = run::run(cases, effort, seed, directory.path(), |round, done| {
        if live {
            eprint!("\rround {} of {}: {done} of {busy}  ", round + 1, effort.rounds);
        }
    });
    if live {
        eprintln!();
    }
    Ok(outcomes)
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
