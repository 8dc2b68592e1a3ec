//! The questions of the tour with the answers of a local call, and how a client's answers are compared with them.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use farcall::{Call, CallError};

use crate::search::{Files, Found, Search, SearchClient, Unreadable, Words, tree};

/// Files and directories that are asked about, at most.
const MOST: usize = 2_000;

/// One question.
#[derive(Debug)]
enum Question {
    Count { file: String },
    Find { directory: String, pattern: String },
}

/// Its answer, from here or from there.
#[derive(Debug, PartialEq)]
enum Answer {
    Count(Result<Words, Unreadable>),
    Find(Result<Found, Unreadable>),
}

/// All questions, each with what a local call answers.
#[derive(Debug)]
pub(crate) struct Questions(Vec<(Question, Answer)>);

/// What a client has seen of one wire.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// How long each call took.
    pub(crate) latencies: Vec<Duration>,
    /// Bytes of the questions and answers.
    pub(crate) bytes: usize,
    /// The first answer that was not the local one.
    pub(crate) disagreement: Option<String>,
}

impl Questions {
    /// About each file under `directory`: how many words. About each directory: which lines contain `pattern`.
    ///
    /// # Errors
    /// The directory cannot be listed, or there is nothing in it to ask about.
    pub(crate) fn about(directory: &Path, pattern: &str) -> Result<Questions, Box<dyn Error>> {
        let tree = tree(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let text = |path: &std::path::PathBuf| path.to_str().map(str::to_owned);
        let counts = tree.files.iter().filter_map(text).take(MOST).map(|file| Question::Count { file });
        let finds = tree.directories.iter().filter_map(text).take(MOST);
        let finds = finds.map(|directory| Question::Find { directory, pattern: pattern.to_owned() });
        let asked: Vec<_> = counts.chain(finds).collect();
        if !asked.iter().any(|question| matches!(question, Question::Count { .. })) {
            return Err(format!("{}: there is no file to ask about", directory.display()).into());
        }
        let here = Files::default();
        Ok(Questions(
            asked
                .into_iter()
                .map(|question| {
                    let answer = question.ask_here(&here);
                    (question, answer)
                })
                .collect(),
        ))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Asks them all, one after the other, blocking.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) fn ask_blocking(
        &self,
        client: &SearchClient,
        findings: &mut Findings,
    ) -> Result<(), farcall::Error> {
        for (question, expected) in &self.0 {
            let began = Instant::now();
            let answer = match question {
                Question::Count { file } => Answer::Count(service_part(client.count(file).wait())?),
                Question::Find { directory, pattern } => {
                    Answer::Find(service_part(client.find(directory, pattern).wait())?)
                }
            };
            findings.note(question, began.elapsed(), &answer, expected);
        }
        Ok(())
    }

    /// The same, awaiting each.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn ask_async(
        &self,
        client: &SearchClient,
        findings: &mut Findings,
    ) -> Result<(), farcall::Error> {
        for (question, expected) in &self.0 {
            let began = Instant::now();
            let answer = match question {
                Question::Count { file } => Answer::Count(awaited(client.count(file)).await?),
                Question::Find { directory, pattern } => {
                    Answer::Find(awaited(client.find(directory, pattern)).await?)
                }
            };
            findings.note(question, began.elapsed(), &answer, expected);
        }
        Ok(())
    }
}

/// The service's own verdict, good or bad, is an answer; only a failure of the call is an error.
fn service_part<T, E>(result: Result<T, CallError<E>>) -> Result<Result<T, E>, farcall::Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => error.into_parts().map(Err),
    }
}

async fn awaited<T, E>(call: Call<T, CallError<E>>) -> Result<Result<T, E>, farcall::Error> {
    service_part(call.await)
}

impl Question {
    fn ask_here(&self, here: &Files) -> Answer {
        match self {
            Question::Count { file } => Answer::Count(here.count(file)),
            Question::Find { directory, pattern } => Answer::Find(here.find(directory, pattern)),
        }
    }

    /// Bytes of its text.
    fn size(&self) -> usize {
        match self {
            Question::Count { file } => file.len(),
            Question::Find { directory, pattern } => directory.len() + pattern.len(),
        }
    }
}

impl Answer {
    /// Bytes of its text and numbers.
    fn size(&self) -> usize {
        match self {
            Answer::Count(Ok(_)) => size_of::<Words>(),
            Answer::Find(Ok(found)) => {
                let line = |line: &crate::search::Line| size_of::<u64>() + line.file.len() + line.text.len();
                found.lines.iter().map(line).sum()
            }
            Answer::Count(Err(Unreadable(why))) | Answer::Find(Err(Unreadable(why))) => why.len(),
        }
    }

    /// In a few words.
    fn gist(&self) -> String {
        match self {
            Answer::Count(Ok(counted)) => format!("{} words in {} bytes", counted.words, counted.bytes),
            Answer::Find(Ok(found)) => format!("{} lines", found.lines.len()),
            Answer::Count(Err(Unreadable(why))) | Answer::Find(Err(Unreadable(why))) => why.clone(),
        }
    }
}

impl Findings {
    fn note(&mut self, question: &Question, took: Duration, answer: &Answer, expected: &Answer) {
        self.latencies.push(took);
        self.bytes += question.size() + answer.size();
        if answer != expected && self.disagreement.is_none() {
            let (there, here) = (answer.gist(), expected.gist());
            self.disagreement = Some(format!("{question:?}: the server says {there}, a local call {here}"));
        }
    }

    /// The latency that this share of the calls did not exceed.
    pub(crate) fn percentile(&mut self, share: f64) -> Duration {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    /// Megabytes of questions and answers per second of calling.
    pub(crate) fn megabytes_per_s(&self) -> f64 {
        let seconds: f64 = self.latencies.iter().map(Duration::as_secs_f64).sum();
        if seconds > 0.0 { self.bytes as f64 / 1e6 / seconds } else { 0.0 }
    }
}
