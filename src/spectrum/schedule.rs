//! Jobs on the current rayon pool in a given order, within a memory limit.
//!
//! Each thread of the pool takes the next job when it is done with its last, so jobs sorted by size
//! start the largest first and no thread is left with a long one at the end. A job waits until what
//! is in flight leaves room for its estimate; one that is larger than the limit runs alone. Results
//! come in the order of the jobs, whatever the number of threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many bytes the jobs in flight may take together, by their own estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit(u64);

impl MemoryLimit {
    pub const NONE: Self = Self(u64::MAX);

    pub fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }
}

/// Runs `work` on each job; `need` estimates its bytes.
///
/// # Errors
/// The error of the first job, in their order, that has one; jobs not yet started then are left out.
pub fn run_in_order<J: Sync, R: Send, E: Send>(
    jobs: &[J],
    limit: MemoryLimit,
    need: impl Fn(&J) -> u64 + Sync,
    work: impl Fn(&J) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let room = Room::new(limit);
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { break };
            let result = {
                let _taken = room.take(need(job));
                work(job)
            };
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            lock(&done).push((index, result));
        }
    };
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads().min(jobs.len()) {
            scope.spawn(|_| worker());
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A panic in a job is on its way through the scope: what the lock guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A counting semaphore by bytes.
#[derive(Debug)]
struct Room {
    limit: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

impl Room {
    fn new(MemoryLimit(limit): MemoryLimit) -> Self {
        Self {
            limit,
            taken: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room for `bytes`, or nothing else is in flight.
    fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.limit);
        let full = |taken: &mut u64| *taken > self.limit - bytes;
        let mut taken = self
            .freed
            .wait_while(lock(&self.taken), full)
            .unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_add(bytes);
        Taken { room: self, bytes }
    }
}

/// Given back when dropped, also where the job panics.
#[derive(Debug)]
struct Taken<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut taken = lock(&self.room.taken);
        *taken = taken.saturating_sub(self.bytes);
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num;

    fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(work)
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..200).collect();
        let work = |job: &u64| Ok::<_, ()>(job * job);
        for threads in [1, 2, 5] {
            let limit = MemoryLimit::of_bytes(7);
            let found = on_threads(threads, || run_in_order(&jobs, limit, |_| 2, work));
            assert_eq!(
                found.unwrap(),
                jobs.iter().map(|job| job * job).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn jobs_in_flight_stay_within_the_limit_and_a_larger_one_runs_alone() {
        let jobs: Vec<u64> = (1..60).map(|job| 1 + job * 7 % 13).collect();
        let in_flight = Mutex::new(0_u64);
        let most = Mutex::new(0.0_f64);
        let work = |job: &u64| {
            let now = {
                let mut in_flight = in_flight.lock().unwrap();
                *in_flight += job;
                *in_flight
            };
            std::thread::sleep(std::time::Duration::from_micros(300));
            let above = if now > 10 && now > *job { now } else { 0 };
            let mut most = most.lock().unwrap();
            *most = num::max(*most, above as f64);
            *in_flight.lock().unwrap() -= job;
            Ok::<_, ()>(())
        };
        let limit = MemoryLimit::of_bytes(10);
        on_threads(4, || run_in_order(&jobs, limit, |job| *job, work)).unwrap();
        assert!(most.into_inner().unwrap() <= 0.0);
    }

    #[test]
    fn the_first_error_in_the_order_of_the_jobs_is_given_back() {
        let jobs: Vec<usize> = (0..50).collect();
        let work = |job: &usize| if *job < 3 { Ok(*job) } else { Err(*job) };
        let found = on_threads(3, || run_in_order(&jobs, MemoryLimit::NONE, |_| 1, work));
        assert_eq!(found, Err(3));
    }
}
