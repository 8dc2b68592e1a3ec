//! The word that somebody may have meant.

/// What to write instead of `word`: the known one that was meant, else which ones there are.
pub(crate) fn instead<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`"),
        None => match known.into_iter().collect::<Vec<_>>() {
            known if known.is_empty() => "none is known here".to_owned(),
            known => format!("known here: {}", known.join(", ")),
        },
    }
}

/// The known word next to `word`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = |candidate: &str| (word.len().max(candidate.len()) / 3).max(1);
    let distances = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    let near = distances.filter(|(distance, candidate)| *distance <= far(candidate));
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// How many letters are inserted, left out, replaced or swapped with their neighbour between the two (Damerau's distance,
/// restricted: nothing is edited twice).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found() {
        let known = ["deadline", "max_message", "window", "wait"];
        for (slip, meant) in [("dealine", "deadline"), ("max-message", "max_message"), ("wiat", "wait")] {
            assert_eq!(nearest(slip, known), Some(meant), "{slip}");
        }
    }

    #[test]
    fn another_word_is_not_taken_for_one() {
        assert_eq!(nearest("colour", ["deadline", "wait"]), None);
    }

    #[test]
    fn what_to_write_is_the_nearest_word_or_all_of_them() {
        assert_eq!(instead("wiat", ["deadline", "wait"]), "did you mean `wait`");
        assert_eq!(instead("colour", ["deadline", "wait"]), "known here: deadline, wait");
        assert_eq!(instead("colour", []), "none is known here");
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
