//! The known name a typing error was meant to be.

/// Finds the candidate that is fewest edits away, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let measured = candidates
        .into_iter()
        .map(|candidate| (distance(written, candidate), candidate));
    let (edits, candidate) = measured.min()?;
    let near = (candidate.chars().count() / 2).max(1);
    (edits <= near).then_some(candidate)
}

/// Puts the candidates in order, nearest first, each once.
pub(super) fn nearest_first<'a>(written: &str, mut candidates: Vec<&'a str>) -> Vec<&'a str> {
    candidates.sort_by_cached_key(|candidate| (distance(written, candidate), *candidate));
    candidates.dedup();
    candidates
}

/// Counts insertions, removals, replacements and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // More is never near; and a hostile key may be megabytes long.
    let left: Vec<char> = left.chars().take(right.len() * 2 + 2).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let mut edits = (above[column] + usize::from(from != to))
                .min(above[column + 1] + 1)
                .min(current[column] + 1);
            if row > 0 && column > 0 && *from == right[column - 1] && left[row - 1] == *to {
                edits = edits.min(before[column - 1] + 1);
            }
            current.push(edits);
        }
        before = above;
        above = current;
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_swapped_a_missing_and_a_wrong_letter() {
        let known = ["listen", "admin_listen", "body_limit"];
        assert_eq!(nearest("lisetn", known), Some("listen"));
        assert_eq!(nearest("admin_lsten", known), Some("admin_listen"));
        assert_eq!(nearest("body-limit", known), Some("body_limit"));
    }

    #[test]
    fn does_not_guess_from_afar() {
        assert_eq!(nearest("colour", ["listen", "per"]), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest(&"é".repeat(1 << 20), ["listen"]), None);
    }
}
