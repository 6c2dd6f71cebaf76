//! Fetches tensors before they are asked for, so that the network and the arithmetic work at the same
//! time.
//!
//! [`read_ahead`] is told which tensors will be read in which order. Neighbours in a file become one
//! group (a bias goes with its matrix), groups are fetched in the order of their first use, in blocks,
//! several at a time, while what is fetched and not yet taken stays below a limit. A tensor that is
//! asked for before its turn is fetched at once. Tensors of equal content (the same file digest,
//! offset and length) are fetched once for all their readers. What nobody announced is fetched when it
//! is asked for.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::access::{Shared, runtime};
use super::blob::ObjectBlob;
use super::blocks::{fetch_members, groups_of};
use super::error::RemoteError;
use crate::checkpoint::tensor::{Source, Span};
use crate::checkpoint::{Checkpoint, Tensor};

/// Requests at a time.
const REQUESTS: usize = 8;
/// What may be fetched and not yet taken.
const LIMIT: u64 = 256 << 20;

/// Content of a file, offset and length.
type Key = (String, u64, u64);

/// What is on its way for one run.
#[derive(Debug)]
pub(super) struct Ahead {
    state: Mutex<State>,
    changed: Condvar,
    /// A permit for each request at a time.
    pub(super) requests: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    pieces: BTreeMap<Key, Piece>,
    groups: Vec<Group>,
    /// Groups not yet started, by first use.
    order: VecDeque<usize>,
    /// Bytes in flight, or here and not taken.
    held: u64,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Piece {
    group: usize,
    /// Readers that have not taken it.
    uses: usize,
    /// `None` until they are here, or known not to come.
    bytes: Option<Result<Vec<u8>, RemoteError>>,
}

/// A run of bytes of one file that is fetched together.
#[derive(Debug)]
struct Group {
    blob: Arc<ObjectBlob>,
    range: Range<u64>,
    /// In the order of their offsets, without gaps.
    members: Vec<Key>,
    started: bool,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            requests: Arc::new(Semaphore::new(REQUESTS)),
        }
    }
}

/// Ends the reading ahead when dropped.
#[derive(Debug)]
#[must_use]
pub struct ReadAhead(Option<Arc<Shared>>);

impl Drop for ReadAhead {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            let mut state = shared.ahead.lock();
            for task in state.tasks.drain(..) {
                task.abort();
            }
            *state = State::default();
            drop(state);
            shared.ahead.changed.notify_all();
        }
    }
}

/// Starts to fetch the tensors of remote checkpoints that will be read, in that order; each is expected
/// to be read once for each time it is named. Local ones are left alone.
pub fn read_ahead<'a>(order: impl IntoIterator<Item = (&'a Checkpoint, &'a Tensor)>) -> ReadAhead {
    let mut wanted = Vec::new();
    for (checkpoint, tensor) in order {
        collect(checkpoint, tensor, &mut wanted);
    }
    let shared = wanted.first().map(|(blob, _)| Arc::clone(blob.shared()));
    if let Some(shared) = &shared {
        let mut state = shared.ahead.lock();
        state.plan(wanted);
        state.start_next(shared);
    }
    ReadAhead(shared)
}

/// Adds the runs of bytes that a tensor is read from, its own and those of tensors that it is made of.
fn collect(checkpoint: &Checkpoint, tensor: &Tensor, wanted: &mut Vec<(Arc<ObjectBlob>, Span)>) {
    let spans = match &tensor.source {
        Source::Stored(span) => vec![*span],
        Source::Derived(derive) => {
            for (of, name) in derive.sources() {
                if let Some(source) = of.tensor(name) {
                    collect(of, source, wanted);
                }
            }
            derive.spans()
        }
    };
    for span in spans {
        let blob = checkpoint.files.get(span.file);
        if let Some(blob) = blob.and_then(|blob| blob.object())
            && span.length > 0
            && !blob.has(span.offset, span.length)
        {
            wanted.push((blob, span));
        }
    }
}

impl State {
    fn plan(&mut self, wanted: Vec<(Arc<ObjectBlob>, Span)>) {
        let mut files: BTreeMap<String, (Arc<ObjectBlob>, Vec<Range<u64>>)> = BTreeMap::new();
        let mut order = Vec::new();
        for (blob, span) in wanted {
            let content = blob.content();
            let key = (content.clone(), span.offset, span.length);
            let piece = self.pieces.entry(key.clone()).or_insert(Piece {
                group: usize::MAX,
                uses: 0,
                bytes: None,
            });
            piece.uses += 1;
            if piece.uses == 1 {
                let (_, ranges) = files.entry(content).or_insert((blob, Vec::new()));
                ranges.push(span.offset..span.offset.saturating_add(span.length));
                order.push(key);
            }
        }
        for (content, (blob, mut ranges)) in files {
            ranges.sort_by_key(|range| (range.start, range.end));
            for members in groups_of(&ranges) {
                self.add_group(&content, &blob, members);
            }
        }
        let mut seen = vec![false; self.groups.len()];
        for key in order {
            let group = self
                .pieces
                .get(&key)
                .map_or(usize::MAX, |piece| piece.group);
            if let Some(seen) = seen.get_mut(group)
                && !*seen
            {
                *seen = true;
                self.order.push_back(group);
            }
        }
    }

    fn add_group(&mut self, content: &str, blob: &Arc<ObjectBlob>, ranges: &[Range<u64>]) {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            return;
        };
        let members: Vec<Key> = ranges
            .iter()
            .map(|range| (content.to_owned(), range.start, range.end - range.start))
            .collect();
        for key in &members {
            if let Some(piece) = self.pieces.get_mut(key) {
                piece.group = self.groups.len();
            }
        }
        self.groups.push(Group {
            blob: Arc::clone(blob),
            range: first.start..last.end,
            members,
            started: false,
        });
    }

    /// Starts groups in their order as long as there is room.
    fn start_next(&mut self, shared: &Arc<Shared>) {
        while let Some(next) = self.order.front().copied() {
            let Some(group) = self.groups.get(next) else {
                return;
            };
            let length = group.range.end - group.range.start;
            if !group.started && self.held > 0 && self.held.saturating_add(length) > LIMIT {
                return;
            }
            self.order.pop_front();
            self.start(next, shared);
        }
    }

    fn start(&mut self, index: usize, shared: &Arc<Shared>) {
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        if group.started {
            return;
        }
        group.started = true;
        let (blob, range, members) = (
            Arc::clone(&group.blob),
            group.range.clone(),
            group.members.clone(),
        );
        self.held = self.held.saturating_add(range.end - range.start);
        let owner = Arc::clone(shared);
        let runtime = match runtime(blob.location()) {
            Ok(runtime) => runtime,
            Err(error) => {
                for key in &members {
                    if let Some(piece) = self.pieces.get_mut(key) {
                        piece.bytes = Some(Err(error.clone()));
                    }
                }
                return;
            }
        };
        self.tasks.push(runtime.spawn(async move {
            let lengths: Vec<u64> = members.iter().map(|(_, _, length)| *length).collect();
            let found = fetch_members(&blob, range, &lengths).await;
            let mut state = owner.ahead.lock();
            for (key, bytes) in members.into_iter().zip(found) {
                if let Some(piece) = state.pieces.get_mut(&key) {
                    piece.bytes = Some(bytes);
                }
            }
            drop(state);
            owner.ahead.changed.notify_all();
        }));
    }
}

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes, if they were announced: waits for them.
    pub(super) fn take(
        &self,
        blob: &Arc<ObjectBlob>,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, RemoteError> {
        let shared = blob.shared();
        let key = (blob.content(), offset, length);
        let mut state = self.lock();
        let Some(group) = state.pieces.get(&key).map(|piece| piece.group) else {
            return Ok(None);
        };
        state.start(group, shared);
        loop {
            let Some(piece) = state.pieces.get_mut(&key) else {
                return Ok(None);
            };
            if let Some(bytes) = &mut piece.bytes {
                piece.uses = piece.uses.saturating_sub(1);
                let is_last = piece.uses == 0;
                let bytes = if is_last {
                    std::mem::replace(bytes, Ok(Vec::new()))
                } else {
                    bytes.clone()
                };
                if is_last {
                    state.pieces.remove(&key);
                    state.held = state.held.saturating_sub(length);
                    state.start_next(shared);
                }
                return bytes.map(Some);
            }
            state = self.pause(state, shared, blob.location())?;
        }
    }

    /// Waits for news, not beyond the deadline.
    fn pause<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        shared: &Shared,
        location: &str,
    ) -> Result<MutexGuard<'a, State>, RemoteError> {
        let Some(deadline) = &shared.deadline else {
            return Ok(self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner));
        };
        deadline.check(location)?;
        let (state, _) = self
            .changed
            .wait_timeout(state, deadline.left())
            .unwrap_or_else(PoisonError::into_inner);
        Ok(state)
    }
}
