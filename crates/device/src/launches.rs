//! What a GPU is asked to do.

/// The kernels that a piece of work asked its device to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Launches {
    /// All of them.
    pub total: usize,
    /// Different ones, each of which is compiled once.
    pub kernels: usize,
}

/// Counts the kernels that `work` launches on `cuda` and `wgpu` devices, by whatever thread: nothing else should run
/// meanwhile. `None` where this build has neither backend; other devices count nothing.
pub fn count_launches<T>(work: impl FnOnce() -> T) -> (T, Option<Launches>) {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    {
        use cubecl::launched::LaunchedKernels;
        use cubecl::logging::LaunchObservation;

        let total = std::sync::Arc::new(Total::default());
        let (observation, different) = (LaunchObservation::new(total.clone()), LaunchedKernels::new());
        let result = work();
        let kernels = different.finish().len();
        drop(observation);
        let total = total.0.load(std::sync::atomic::Ordering::Relaxed);
        (result, Some(Launches { total, kernels }))
    }
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    (work(), None)
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
#[derive(Default)]
struct Total(std::sync::atomic::AtomicUsize);

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl cubecl::logging::LaunchObserver for Total {
    fn launched(&self, _kernel: &'static str) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}
