//! Stories that are told the same way each time, on a link that is cut somewhere.

/// Calls that are started at once, in this order; each is answered when it arrives.
#[derive(Clone, Debug, Default)]
pub struct FixedScript {
    /// Side 0 or 1, bytes of arguments, bytes of result.
    pub calls: Vec<(usize, usize, usize)>,
}
