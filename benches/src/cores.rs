//! Which cores the two processes run on.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::case::Placement;

/// The cores that this thread may use, in ascending order.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Confines this thread, and every thread and process that it will start, to one core.
pub(crate) fn confine_to(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// The cores of client and server; nothing where the scheduler decides.
pub(crate) fn placed(placement: Placement, allowed: &[usize]) -> io::Result<Option<(usize, usize)>> {
    match (placement, allowed) {
        (Placement::Free, _) => Ok(None),
        (Placement::One, [first, ..]) => Ok(Some((*first, *first))),
        (Placement::Two, [first, second, ..]) => Ok(Some((*first, *second))),
        _ => Err(io::Error::other(format!("placement `{}` needs more cores", placement.word()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_takes_the_first_two_allowed_cores() {
        assert_eq!(placed(Placement::Two, &[3, 5, 7]).unwrap(), Some((3, 5)));
        assert_eq!(placed(Placement::One, &[3, 5]).unwrap(), Some((3, 3)));
        assert_eq!(placed(Placement::Free, &[3]).unwrap(), None);
        assert!(placed(Placement::Two, &[3]).is_err());
    }
}
