//! What some measurements find besides the times of calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name of such a value; its key in JSON says the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Name {
    /// The probe, measured right after the case.
    ProbeNs,
    /// Median call less that probe.
    OverProbeNs,
    /// Median call of the limit, measured right after the case.
    LimitNs,
    /// Median call over that limit.
    TimesLimit,
    /// One `poll` of a call.
    PollP50Ns,
    /// One `poll` of a call.
    PollP99Ns,
    /// One `poll` of a call that has been sent: the first poll is left out.
    WaitingPollP50Ns,
    /// One `poll` of a call that has been sent: the first poll is left out.
    WaitingPollP99Ns,
    /// What the busy task got done, as a part of what it gets done alone.
    BusyShare,
    /// How long the connection rested.
    RestMs,
    /// CPU time of the client in that time.
    RestClientCpuNs,
    /// CPU time of the server in that time.
    RestServerCpuNs,
    /// How many connections there were.
    Connections,
    /// Median call while there was only one.
    AloneP50Ns,
    /// Median call through a pool less the same without.
    PoolNs,
    /// Memory that each further connection made the client hold.
    ClientRssPerConnection,
    /// Memory that each further connection made the server hold.
    ServerRssPerConnection,
}

impl Name {
    /// Whether the value is a part or a multiple of something; all others are whole.
    pub(crate) const fn is_ratio(self) -> bool {
        matches!(self, Self::TimesLimit | Self::BusyShare)
    }
}

/// Values by name.
pub(crate) type Further = BTreeMap<Name, f64>;
