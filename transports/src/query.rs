//! The options of a URL: each is taken once, by name and by type, and none may be left over.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use farcall_core::proto::WhenFull;
use farcall_core::{Error, Trust};

use crate::nearest::instead;

/// The words of the option `trust`.
#[cfg(any(feature = "shm", feature = "fifo", feature = "config"))]
pub(crate) const TRUST: [(&str, Trust); 3] =
    [("trusted", Trust::Trusted), ("same-user", Trust::SameUser), ("hostile", Trust::Hostile)];

/// The options that have not been taken yet.
///
/// Whoever owns an option takes it with the method of its type, whether or not it was given; at the end
/// [`finish`](Query::finish) refuses what nobody took.
///
/// ```
/// use farcall_transports::Url;
/// use std::time::Duration;
/// let mut query = Url::parse("mem:calc?deadline=250ms")?.query();
/// let deadline = query.take_duration("deadline", Duration::ZERO..=Duration::from_secs(60))?;
/// assert_eq!(deadline, Some(Duration::from_millis(250)));
/// query.finish()?;
/// # Ok::<(), farcall_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Query {
    url: String,
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    /// What the builder says.
    trust: Option<Trust>,
    /// What URL or builder says of calls that find no room.
    full: WhenFull,
}

impl Query {
    pub(crate) fn new(url: String, pairs: Vec<(String, String)>) -> Self {
        Query { url, pairs, known: Vec::new(), trust: None, full: WhenFull::default() }
    }

    /// An option that may be given several times, in order.
    ///
    /// ```
    /// let mut query = farcall::transport::Url::parse("exec:ls?arg=-l&arg=-a")?.query();
    /// assert_eq!(query.take_all("arg"), ["-l", "-a"]);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    ///
    /// # Panics
    /// In a debug build, if an option is taken twice: a mistake of the wire.
    pub fn take_all(&mut self, name: &'static str) -> Vec<String> {
        debug_assert!(!self.known.contains(&name), "option `{name}` is taken twice");
        self.known.push(name);
        let mut taken = Vec::new();
        self.pairs.retain_mut(|(key, value)| {
            let matches = key == name;
            if matches {
                taken.push(std::mem::take(value));
            }
            !matches
        });
        taken
    }

    /// An option of free text.
    ///
    /// # Errors
    /// `InvalidConfig` if it was given twice.
    ///
    /// ```
    /// let mut query = farcall::transport::Url::parse("mem:calc?codec=json")?.query();
    /// assert_eq!(query.take_text("codec")?.as_deref(), Some("json"));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn take_text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        let mut taken = self.take_all(name);
        if taken.len() > 1 {
            return Err(self.refuse(format!("option `{name}` is given {} times; give it once", taken.len())));
        }
        Ok(taken.pop())
    }

    /// A time such as `250ms` or `1m 30s`.
    ///
    /// # Errors
    /// `InvalidConfig` if it was given twice, is no time or lies outside `range`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let mut query = farcall::transport::Url::parse("mem:calc?deadline=1m")?.query();
    /// let range = Duration::ZERO..=Duration::from_secs(120);
    /// assert_eq!(query.take_duration("deadline", range)?, Some(Duration::from_secs(60)));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn take_duration(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, Error> {
        let show = |time: &Duration| humantime::format_duration(*time).to_string();
        self.take_in(name, "a time such as 250ms", range, |text| humantime::parse_duration(text).ok(), show)
    }

    /// A number of bytes such as `64MiB` or `4096`.
    ///
    /// # Errors
    /// `InvalidConfig` if it was given twice, is no size or lies outside `range`.
    ///
    /// ```
    /// let mut query = farcall::transport::Url::parse("mem:calc?max_message=64KiB")?.query();
    /// assert_eq!(query.take_bytes("max_message", 1..=1 << 20)?, Some(65_536));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn take_bytes(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Error> {
        let read = |text: &str| text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.0).ok());
        let show = |size: &usize| ByteSize(*size as u64).display().iec().to_string();
        self.take_in(name, "a size such as 64MiB", range, read, show)
    }

    /// A number.
    ///
    /// # Errors
    /// `InvalidConfig` if it was given twice, is no number or lies outside `range`.
    ///
    /// ```
    /// let mut query = farcall::transport::Url::parse("mem:calc?window=8")?.query();
    /// assert_eq!(query.take_number("window", 1..=64)?, Some(8));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn take_number<N: FromStr + PartialOrd + Display>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<N>,
    ) -> Result<Option<N>, Error> {
        self.take_in(name, "a number", range, |text| text.parse().ok(), N::to_string)
    }

    /// One of a few words.
    ///
    /// # Errors
    /// `InvalidConfig` if it was given twice or is none of the words.
    ///
    /// ```
    /// let mut query = farcall::transport::Url::parse("mem:calc?full=fail")?.query();
    /// assert_eq!(query.take_choice("full", &[("wait", false), ("fail", true)])?, Some(true));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn take_choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.take_text(name)? else {
            return Ok(None);
        };
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*choice));
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("{name}={word}")).collect();
        Err(self.refuse(format!("option `{name}` does not know `{text}`; write {}", words.join(" or "))))
    }

    /// Notes what the builder says of the other side.
    pub(crate) fn set_trust(&mut self, trust: Option<Trust>) {
        self.trust = trust;
    }

    /// What is believed of the other side: of builder and URL the more careful counts, so that a URL from elsewhere cannot
    /// loosen what the program says.
    #[cfg(any(feature = "shm", feature = "fifo"))]
    pub(crate) fn take_trust(&mut self) -> Result<Trust, Error> {
        Ok(self.take_choice("trust", &TRUST)?.max(self.trust).unwrap_or_default())
    }

    /// Notes what URL or builder says of calls that find no room.
    pub(crate) fn set_full(&mut self, full: WhenFull) {
        self.full = full;
    }

    /// What URL or builder says of calls that find no room.
    #[cfg(feature = "mailbox")]
    pub(crate) fn full(&self) -> WhenFull {
        self.full
    }

    /// Checks that every option that was given has been taken.
    ///
    /// # Errors
    /// `InvalidConfig` if one was not, naming it and the one that was meant, or those that are known.
    ///
    /// ```
    /// let mut query = farcall::transport::Url::parse("mem:calc?colour=red")?.query();
    /// assert!(query.take_text("color")?.is_none());
    /// assert!(query.finish().is_err());
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn finish(&self) -> Result<(), Error> {
        let Some((name, _)) = self.pairs.first() else {
            return Ok(());
        };
        let hint = instead(name, self.known.iter().copied());
        Err(self.refuse(format!("unknown option `{name}`; {hint}")))
    }

    fn take_in<T: PartialOrd>(
        &mut self,
        name: &'static str,
        kind: &str,
        range: RangeInclusive<T>,
        read: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.take_text(name)? else {
            return Ok(None);
        };
        match read(&text) {
            Some(value) if range.contains(&value) => Ok(Some(value)),
            Some(_) => Err(self.refuse(format!(
                "option `{name}={text}` is out of range; it may be {} to {}",
                show(range.start()),
                show(range.end())
            ))),
            None => Err(self.refuse(format!("option `{name}={text}` is not {kind}"))),
        }
    }

    /// An error that names where the options stand.
    pub(crate) fn refuse(&self, why: impl Display) -> Error {
        Error::config(why.to_string()).context(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Url;

    fn query(options: &str) -> Query {
        Url::parse(&format!("mem:x?{options}")).unwrap().query()
    }

    fn says(result: Result<impl std::fmt::Debug, Error>, words: &[&str]) {
        let error = result.unwrap_err();
        assert_eq!(error.code(), farcall_core::Code::InvalidConfig);
        for word in words.iter().chain(&["mem:x?"]) {
            assert!(error.to_string().contains(word), "`{word}` is missing in: {error}");
        }
    }

    #[test]
    fn sizes_times_numbers_and_words_are_read() {
        let mut query = query("max=64MiB&n=7&how=spin&t=1s");
        assert_eq!(query.take_bytes("max", 0..=1 << 30), Ok(Some(64 << 20)));
        assert_eq!(query.take_number("n", 1u32..=9), Ok(Some(7)));
        assert_eq!(query.take_choice("how", &[("spin", 1), ("park", 2)]), Ok(Some(1)));
        assert_eq!(
            query.take_duration("t", Duration::ZERO..=Duration::MAX),
            Ok(Some(Duration::from_secs(1)))
        );
        assert_eq!(query.take_text("absent"), Ok(None));
        assert_eq!(query.finish(), Ok(()));
    }

    #[test]
    fn out_of_range_names_the_range() {
        says(query("max=2GiB").take_bytes("max", 1..=1 << 30), &["max=2GiB", "1 B", "1.0 GiB"]);
        says(query("n=0").take_number("n", 1u32..=9), &["n=0", "1 to 9"]);
        let range = Duration::from_millis(1)..=Duration::from_secs(5);
        says(query("t=1h").take_duration("t", range), &["t=1h", "1ms to 5s"]);
    }

    #[test]
    fn nonsense_names_the_kind() {
        says(query("max=big").take_bytes("max", 1..=9), &["max=big", "64MiB"]);
        says(query("t=soon").take_duration("t", Duration::ZERO..=Duration::MAX), &["t=soon", "250ms"]);
        says(query("how=fast").take_choice("how", &[("spin", 1), ("park", 2)]), &["how=spin or how=park"]);
    }

    #[test]
    fn an_option_given_twice_is_refused() {
        says(query("n=1&n=1").take_number("n", 1u32..=9), &["`n`", "2 times"]);
    }

    #[test]
    fn a_leftover_names_what_was_meant() {
        let mut query = query("dealine=1s");
        assert_eq!(query.take_text("deadline"), Ok(None));
        says(query.finish(), &["`dealine`", "did you mean `deadline`"]);
    }

    #[test]
    fn a_leftover_that_is_like_none_names_what_is_known() {
        let mut query = query("colour=red");
        assert_eq!(query.take_text("deadline"), Ok(None));
        says(query.finish(), &["`colour`", "known here: deadline"]);
    }
}
