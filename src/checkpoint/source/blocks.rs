//! Which bytes are fetched together, and how.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};

use super::blob::ObjectBlob;
use super::error::RemoteError;

/// Bytes of one request. Large enough that the time of a round trip does not count.
const BLOCK: u64 = 16 << 20;
/// Requests at a time for one group.
const REQUESTS_OF_A_GROUP: usize = 4;
/// Neighbours are fetched together up to this size, and beyond it where one of them is small.
const GROUP: u64 = 8 << 20;
const SMALL: u64 = 1 << 20;

/// Splits ranges, sorted by offset, into runs to fetch together. Ranges that overlap or leave a gap are
/// never together.
pub(super) fn groups_of(ranges: &[Range<u64>]) -> Vec<&[Range<u64>]> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut length = 0_u64;
    for (at, range) in ranges.iter().enumerate() {
        let own = range.end - range.start;
        let before = at.checked_sub(1).and_then(|before| ranges.get(before));
        let follows = before.is_some_and(|before| before.end == range.start);
        let fits = length.saturating_add(own) <= GROUP || own < SMALL || length < SMALL;
        if at > start && !(follows && fits) {
            groups.push(ranges.get(start..at).unwrap_or_default());
            start = at;
            length = 0;
        }
        length = length.saturating_add(own);
    }
    groups.push(ranges.get(start..).unwrap_or_default());
    groups
}

/// Fetches a group and deals it out to its members.
pub(super) async fn fetch_members(
    blob: &Arc<ObjectBlob>,
    range: Range<u64>,
    lengths: &[u64],
) -> Vec<Result<Vec<u8>, RemoteError>> {
    // A task that died must not leave its readers waiting.
    let fetched = AssertUnwindSafe(fetch_whole(blob, range)).catch_unwind();
    let fetched = fetched.await.unwrap_or_else(|_| {
        Err(RemoteError::Network {
            location: blob.location().to_owned(),
            reason: "the task that fetched it died".to_owned(),
        })
    });
    match fetched {
        Ok(bytes) if lengths.len() == 1 => vec![Ok(bytes)],
        Ok(bytes) => {
            let mut rest = bytes.as_slice();
            let mut parts = Vec::new();
            for length in lengths {
                let at = usize::try_from(*length).unwrap_or(usize::MAX);
                let (part, tail) = rest.split_at(at.min(rest.len()));
                parts.push(Ok(part.to_vec()));
                rest = tail;
            }
            parts
        }
        Err(error) => lengths.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// Fetches a range in blocks, some of them at a time.
pub(super) async fn fetch_whole(
    blob: &Arc<ObjectBlob>,
    range: Range<u64>,
) -> Result<Vec<u8>, RemoteError> {
    let length = range.end.saturating_sub(range.start);
    let too_large = || RemoteError::TooLarge {
        location: blob.location().to_owned(),
        bytes: length,
    };
    let mut bytes = Vec::new();
    let size = usize::try_from(length).ok().ok_or_else(too_large)?;
    bytes.try_reserve_exact(size).ok().ok_or_else(too_large)?;
    let requests = &blob.shared().ahead.requests;
    let blocks = blocks_of(range).map(|block| async move {
        // Never closed, so there is always a permit to wait for.
        let _permit = requests.acquire().await;
        blob.fetch(block).await
    });
    let mut answers = futures_util::stream::iter(blocks).buffered(REQUESTS_OF_A_GROUP);
    while let Some(block) = answers.next().await {
        bytes.extend_from_slice(&block?);
    }
    Ok(bytes)
}

/// Splits a range into blocks of one request each.
pub(super) fn blocks_of(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let end = start.saturating_add(BLOCK).min(range.end);
        let block = (start < end).then_some(start..end);
        start = end;
        block
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_range_without_gaps() {
        let blocks: Vec<_> = blocks_of(5..5 + 2 * BLOCK + 1).collect();
        assert_eq!(
            blocks,
            [
                5..5 + BLOCK,
                5 + BLOCK..5 + 2 * BLOCK,
                5 + 2 * BLOCK..6 + 2 * BLOCK
            ]
        );
        assert_eq!(blocks_of(7..7).count(), 0);
    }

    #[test]
    fn neighbours_are_fetched_together_unless_that_makes_a_large_group_larger() {
        let bias = 1_u64 << 12;
        let matrix = 64_u64 << 20;
        let middle = 3_u64 << 20;
        let mut at = 0;
        let mut ranges = Vec::new();
        for length in [bias, matrix, bias, matrix, middle, middle, middle, bias] {
            ranges.push(at..at + length);
            at += length;
        }
        // A gap.
        ranges.push(at + 1..at + 2);
        let sizes: Vec<usize> = groups_of(&ranges).iter().map(|group| group.len()).collect();
        assert_eq!(sizes, [3, 1, 2, 2, 1]);
    }
}
