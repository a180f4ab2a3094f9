//! Work on a fixed number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// `work` of every index below `count`, in index order, on at most `threads` threads. The first error wins.
///
/// # Errors
/// Those of `work`; indices not begun by then are left out.
pub(crate) fn try_map<T, E, F>(count: usize, threads: usize, work: F) -> Result<Vec<T>, E>
where
    T: Send,
    E: Send,
    F: Fn(usize) -> Result<T, E> + Sync,
{
    let next = AtomicUsize::new(0);
    let run = || -> Result<Vec<(usize, T)>, E> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(done);
            }
            let result = work(index).inspect_err(|_| next.store(count, Ordering::Relaxed))?;
            done.push((index, result));
        }
    };
    let helpers = threads.min(count).saturating_sub(1);
    let results = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..helpers).map(|_| scope.spawn(run)).collect();
        let mut results = vec![run()];
        for helper in spawned {
            results.push(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    let mut done = Vec::with_capacity(count);
    for result in results {
        done.extend(result?);
    }
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Like [`try_map`], for work that consumes its items and cannot fail.
pub(crate) fn map<I, T, F>(items: Vec<I>, threads: usize, work: F) -> Vec<T>
where
    I: Send,
    T: Send,
    F: Fn(I) -> T + Sync,
{
    let cells: Vec<_> = items.into_iter().map(|item| std::sync::Mutex::new(Some(item))).collect();
    let take = |index: usize| cells[index].lock().ok().and_then(|mut cell| cell.take());
    let done =
        try_map(cells.len(), threads, |index| Ok::<_, std::convert::Infallible>(take(index).map(&work)));
    match done {
        // Each index comes once, so every item is there when it is taken.
        Ok(done) => done.into_iter().flatten().collect(),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_error_ends_the_work() {
        for threads in [0, 1, 3, 100] {
            assert_eq!(
                map((0..50).collect(), threads, |i: i32| i * 2),
                (0..50).map(|i| i * 2).collect::<Vec<_>>()
            );
            let failed = try_map(50, threads, |i| if i == 7 { Err(i) } else { Ok(i) });
            assert_eq!(failed, Err(7));
        }
    }
}
