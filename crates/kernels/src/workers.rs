//! Where a series of operations runs.

/// Runs `work`, a series of operations, on one of the threads that the operations are split over, and waits
/// for it. Each operation then starts at once; called from any other thread, each would wake a worker and be
/// waited for, which takes longer than a small operation itself.
pub fn on_workers<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "flex")]
    {
        if rayon::current_thread_index().is_some() {
            return work();
        }
        // A worker that waits may take this up in the middle of something else; neither must see what the
        // other counts, or how it wants its operations done.
        rayon::scope(|_| crate::count::apart(|| crate::generic::apart(|| crate::level::apart(work))))
    }
    #[cfg(not(feature = "flex"))]
    {
        work()
    }
}
