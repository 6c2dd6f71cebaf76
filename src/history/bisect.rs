//! The first bad one of a list that is good up to somewhere and bad from there on, in as few
//! judgements as there have to be.

/// Index of the first of `count` items that `is_bad` holds for; `None` where the last is good.
///
/// Looks at the last, then at the first, then halves what is left: at most 2 + log2(count) judgements.
/// Where good and bad alternate, the answer is one item that is bad after one that is good.
///
/// # Errors
/// What `is_bad` gives.
///
/// ```
/// let nights = [1.0, 1.1, 1.0, 4.0, 4.2];
/// let found = tunegate::history::bisect::first_bad::<()>(5, |night| Ok(nights[night] > 2.0));
/// assert_eq!(found, Ok(Some(3)));
/// ```
pub fn first_bad<E>(
    count: usize,
    mut is_bad: impl FnMut(usize) -> Result<bool, E>,
) -> Result<Option<usize>, E> {
    let Some(last) = count.checked_sub(1) else {
        return Ok(None);
    };
    if !is_bad(last)? {
        return Ok(None);
    }
    if last == 0 || is_bad(0)? {
        return Ok(Some(0));
    }
    let (mut good, mut bad) = (0, last);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if is_bad(middle)? {
            bad = middle;
        } else {
            good = middle;
        }
    }
    Ok(Some(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_one_is_found_wherever_it_is() {
        for count in 1..40 {
            for first in 0..=count {
                let mut looked_at = 0;
                let found = first_bad::<()>(count, |index| {
                    looked_at += 1;
                    Ok(index >= first)
                });
                assert_eq!(found, Ok((first < count).then_some(first)));
                let most = 2.0 + (count as f64).log2().ceil();
                assert!(f64::from(looked_at) <= most, "{looked_at} of {count}");
            }
        }
        assert_eq!(first_bad::<()>(0, |_| Ok(true)), Ok(None));
    }

    #[test]
    fn a_judgement_that_fails_ends_the_search() {
        assert_eq!(first_bad(3, |_| Err("broken")), Err("broken"));
    }
}
