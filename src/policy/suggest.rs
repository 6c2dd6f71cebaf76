//! Near misses: what a misspelt name was probably meant to be.

/// The candidate nearest to `written`, where it is near enough to be a slip of the fingers.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let normal = |text: &str| text.to_lowercase().replace(['_', '.', ' '], "-");
    let wanted = normal(written);
    // A long unknown name is no slip, and the table below is quadratic.
    if wanted.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 5)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `, did you mean ...` for a near miss, else the whole list.
pub(super) fn hint(written: &str, candidates: &[&str]) -> String {
    match nearest(written, candidates.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected {}", one_of(candidates)),
    }
}

/// "one of `a`, `b`, `c`".
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other
/// (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows: Vec<Vec<usize>> = (0..=left.len())
        .map(|row| (row..=row + right.len()).collect())
        .collect();
    for row in 1..=left.len() {
        for column in 1..=right.len() {
            let replaced = usize::from(left[row - 1] != right[column - 1]);
            let mut best = (rows[row - 1][column] + 1)
                .min(rows[row][column - 1] + 1)
                .min(rows[row - 1][column - 1] + replaced);
            if row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1]
            {
                best = best.min(rows[row - 2][column - 2] + 1);
            }
            rows[row][column] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_or_dropped_letter_finds_the_name() {
        let names = ["alpha", "alpha_drift", "relative_update"];
        assert_eq!(nearest("alhpa", names), Some("alpha"));
        assert_eq!(nearest("relative-updat", names), Some("relative_update"));
        assert_eq!(nearest("ALPHA.DRIFT", names), Some("alpha_drift"));
    }

    #[test]
    fn an_unrelated_name_finds_nothing() {
        assert_eq!(nearest("perplexity", ["alpha", "rows"]), None);
        assert_eq!(nearest(&"alpha".repeat(100), ["alpha"]), None);
    }
}
